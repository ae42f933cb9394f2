/**
 * Stands between routers and a SAM bridge, and writes down what the routers say: the only place where
 * the keys of sessions, and who dials whom with which of them, can be seen from outside.
 *
 * It can also pass an embedded bridge off as an I2P router, so that `--network sam` can be told stories
 * about a bridge that comes, goes and misbehaves.
 */
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { EMBEDDED_MARKER_NAME } from "../../src/bridge/marker.ts"

/** One line that a router wrote. */
export interface TappedLine {
  /** Counts sockets from 1. */
  readonly connection: number
  readonly line: string
}

/** A bridge's address with an ear. Closing it closes every socket. */
export interface SamTap extends AsyncDisposable {
  readonly port: number
  /** In order of arrival; nothing of what a socket carries once it is a stream. */
  readonly lines: readonly TappedLine[]
  /** Values of one command, such as `SESSION CREATE`: one map a line. */
  commands(start: string): Map<string, string>[]
}

/** What a tap does. */
export interface SamTapOptions {
  /** Port of 127.0.0.1 where the bridge is; asked for at every connection. */
  readonly bridgePort: () => number
  /** A free one unless given. */
  readonly port?: number
  /** The embedded network is not to be recognised. */
  readonly hidesMarker?: boolean
  /** Told every byte that comes from the bridge: all that routers are sent. */
  readonly onSent?: (chunk: Buffer) => void
}

/** Opens a tap on a port of 127.0.0.1. */
export async function openSamTap(options: SamTapOptions): Promise<SamTap> {
  const lines: TappedLine[] = []
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const bridge = connect({
      port: options.bridgePort(),
      host: "127.0.0.1",
      allowHalfOpen: true,
      noDelay: true,
    })
    const ear = new Ear(++count, lines, options.hidesMarker === true)
    client.on("data", (chunk: Buffer) => {
      if (!bridge.write(ear.hear(chunk))) client.pause()
    })
    bridge.on("drain", () => client.resume())
    client.on("end", () => bridge.end())
    bridge.pipe(client)
    const { onSent } = options
    if (onSent !== undefined) bridge.on("data", onSent)
    for (const [one, other] of [
      [client, bridge],
      [bridge, client],
    ] as const) {
      sockets.add(one)
      one.on("error", () => {})
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  server.listen(options.port ?? 0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    commands: (start) =>
      lines.filter(({ line }) => line.startsWith(`${start} `)).map(({ line }) => valuesOf(line)),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

/** Hears the lines of one socket, until it becomes a stream. */
class Ear {
  readonly #connection: number
  readonly #lines: TappedLine[]
  readonly #hidesMarker: boolean
  #rest = ""
  #deaf = false

  constructor(connection: number, lines: TappedLine[], hidesMarker: boolean) {
    this.#connection = connection
    this.#lines = lines
    this.#hidesMarker = hidesMarker
  }

  /** @returns What the bridge shall get. */
  hear(chunk: Buffer): Buffer {
    if (this.#deaf) return chunk
    const text = chunk.toString("latin1")
    const whole = (this.#rest + text).split("\n")
    this.#rest = whole.pop() ?? ""
    for (const line of whole) this.#note(line)
    if (!this.#hidesMarker) return chunk
    return Buffer.from(text.replaceAll(EMBEDDED_MARKER_NAME, "nobody-knows-this-name."), "latin1")
  }

  #note(line: string): void {
    if (this.#deaf) return
    this.#lines.push({ connection: this.#connection, line })
    this.#deaf = line.startsWith("STREAM ")
  }
}

/** `ID=… DESTINATION=…` of a line; no value of ours has a space in it. */
function valuesOf(line: string): Map<string, string> {
  const words = line.split(" ").filter((word) => word.includes("="))
  return new Map(
    words.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]),
  )
}
