/**
 * A SAM bridge that does as it is told: right, wrong, slow, or not at all.
 *
 * It knows no I2P. It answers with what a real router was seen to answer, and each answer can be
 * replaced, cut into bytes, or left out.
 */
import { once } from "node:events"
import { createServer, type Server, type Socket } from "node:net"
import { setTimeout as wait } from "node:timers/promises"
import { decodeBase64, encodeBase64 } from "../../src/sam/base64.ts"
import { deriveDestinationKeys } from "../../src/sam/derive.ts"
import type { Destination } from "../../src/sam/destination.ts"
import { LineReader } from "../../src/sam/line-reader.ts"
import { parseSamLine } from "../../src/sam/message.ts"

/** What to do with one line: a text to write (with its line ends), or nothing. */
type Reply = string | undefined
/** Answers lines that begin with its key; `this` connection may be used in any way. */
export type Replies = Readonly<
  Record<string, (line: string, connection: BridgeConnection) => Reply | Promise<Reply>>
>

/** One socket of a client. */
export interface BridgeConnection {
  readonly socket: Socket
  /** Lines received, in order. */
  readonly lines: string[]
  /** Bytes that came in segments with more than one line: clients must not pipeline. */
  pipelined: boolean
  /** From now on bytes are a stream's, and are not read here. */
  stream: boolean
}

/** The bridge at work. */
export interface ScriptedBridge extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number }
  readonly connections: readonly BridgeConnection[]
  /** Every line of every connection, in order of arrival. */
  readonly lines: readonly string[]
  /** Sockets open now. */
  readonly openCount: number
  /** Replaces answers; may be changed at any time. */
  replies: Replies
  /** Resolves with the newest connection whose last line begins with `start`. */
  waiting(start: string): Promise<BridgeConnection>
  /** Every line seen that begins with `start`. */
  seen(start: string): string[]
}

/** The peer that arrives and is looked up, unless told otherwise. */
export const PEER: Destination = deriveDestinationKeys(new Uint8Array(32).fill(0x5a)).destination

/** A script for one bridge; what `replies` does not answer is answered as i2pd does. */
export interface Script {
  readonly replies?: Replies
  /** Version in HELLO REPLY; 3.1 as i2pd 2.45.1 says. */
  readonly version?: string
  /** Writes every answer byte by byte. */
  readonly byteByByte?: boolean
}

/** Opens a bridge on a free port of this machine. */
export async function openScriptedBridge(script: Script = {}): Promise<ScriptedBridge> {
  const connections: BridgeConnection[] = []
  const lines: string[] = []
  const state = { replies: script.replies ?? {}, open: new Set<Socket>() }
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    const connection = new ScriptedConnection(socket)
    connections.push(connection)
    state.open.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => state.open.delete(socket))
    serve(connection, { script, state, lines })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    address: { host: "127.0.0.1", port: portOf(server) },
    connections,
    lines,
    get openCount() {
      return state.open.size
    },
    get replies() {
      return state.replies
    },
    set replies(replies) {
      state.replies = replies
    },
    async waiting(start) {
      for (;;) {
        const found = connections.findLast(
          ({ lines, socket }) => lines.at(-1)?.startsWith(start) && !socket.destroyed,
        )
        if (found) return found
        await wait(2)
      }
    },
    seen: (start) => lines.filter((line) => line.startsWith(start)),
    async [Symbol.asyncDispose]() {
      for (const socket of state.open) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

class ScriptedConnection implements BridgeConnection {
  readonly socket: Socket
  readonly lines: string[] = []
  pipelined = false
  #stream = false

  constructor(socket: Socket) {
    this.socket = socket
  }

  get stream(): boolean {
    return this.#stream
  }

  /** Whoever reads the stream must not be in the way of one who reads lines. */
  set stream(stream: boolean) {
    this.#stream = stream
    if (stream) this.socket.removeAllListeners("readable")
  }
}

interface Workings {
  readonly script: Script
  readonly state: { replies: Replies }
  readonly lines: string[]
}

function serve(connection: BridgeConnection, workings: Workings): void {
  const { socket } = connection
  const reader = new LineReader()
  let keys = ""
  socket.on("readable", async () => {
    while (!connection.stream) {
      const chunk: Buffer | null = socket.read()
      if (chunk === null) return
      reader.push(chunk)
      if (chunk.indexOf("\n") !== chunk.length - 1) connection.pipelined = true
      for (let line = reader.next(); line !== undefined; line = reader.next()) {
        workings.lines.push(line)
        connection.lines.push(line)
        if (line.startsWith("SESSION CREATE")) keys = parseSamLine(line).values.get("DESTINATION")!
        const answer = await answerTo(line, keys, connection, workings)
        if (answer !== undefined) write(socket, answer, workings.script)
      }
    }
  })
}

async function answerTo(
  line: string,
  keys: string,
  connection: BridgeConnection,
  { script, state }: Workings,
): Promise<Reply> {
  for (const [start, reply] of Object.entries(state.replies))
    if (line.startsWith(start)) return reply(line, connection)
  const { command, subcommand, values } = parseSamLine(line)
  switch (`${command} ${subcommand}`) {
    case "HELLO VERSION":
      return `HELLO REPLY RESULT=OK VERSION=${script.version ?? "3.1"}\n`
    case "SESSION CREATE":
      return `SESSION STATUS RESULT=OK DESTINATION=${keys}\n`
    case "NAMING LOOKUP":
      return namingReply(values.get("NAME") ?? "", keys)
    case "STREAM CONNECT":
      if (values.get("DESTINATION") === "AAAA") return "STREAM STATUS RESULT=INVALID_KEY\n"
      connection.stream = true
      return "STREAM STATUS RESULT=OK\n"
    case "STREAM ACCEPT":
    case "STREAM FORWARD":
      return "STREAM STATUS RESULT=OK\n"
    case "DEST GENERATE":
      return generated()
    default:
      return undefined
  }
}

function namingReply(name: string, keys: string): string {
  const value = name === "ME" ? ownDestination(keys) : PEER.base64
  return `NAMING REPLY RESULT=OK NAME=${name} VALUE=${value}\n`
}

/** The first 391 bytes of a private key file are the destination. */
function ownDestination(keys: string): string {
  return encodeBase64(decodeBase64(keys).subarray(0, 391))
}

function generated(): string {
  const { destination, privateKeyFile } = deriveDestinationKeys(new Uint8Array(32).fill(0x11))
  return `DEST REPLY PUB=${destination.base64} PRIV=${encodeBase64(privateKeyFile)}\n`
}

function write(socket: Socket, answer: string, { byteByByte = false }: Script): void {
  if (!byteByByte) socket.write(answer, "latin1")
  else for (const byte of Buffer.from(answer, "latin1")) socket.write(Uint8Array.of(byte))
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === "string") throw new TypeError("Cannot tell port")
  return address.port
}
