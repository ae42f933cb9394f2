/**
 * Finds out what listens on a port: an embedded bridge, or something else.
 *
 * @module
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { LineReader } from "../sam/line-reader.ts"
import { formatSamLine, parseSamLine, type SamLine } from "../sam/message.ts"
import { EMBEDDED_MARKER_NAME, markerKeys } from "./marker.ts"

/** A bridge on this machine answers within this time. */
const PROBE_MS = 2000

/** `gone`: nobody listens any more. Otherwise an open socket, the caller's, that closes with the bridge. */
export type Probed = "gone" | "stranger" | { readonly socket: Socket; readonly udpPort: number }

/** Asks for the marker. @param users - Passwords by user; the first is tried. */
export async function probeBridge(
  address: { readonly host: string; readonly port: number },
  users: ReadonlyMap<string, string> = new Map(),
): Promise<Probed> {
  const socket = connect({ host: address.host, port: address.port, noDelay: true })
  const signal = AbortSignal.timeout(PROBE_MS)
  try {
    await once(socket, "connect", { signal })
  } catch (error) {
    socket.destroy()
    return (error as NodeJS.ErrnoException).code === "ECONNREFUSED" ? "gone" : "stranger"
  }
  socket.on("error", () => {}) // `close` follows.
  const udpPort = await askForMarker(socket, users, signal).catch(() => undefined)
  if (udpPort !== undefined && !socket.destroyed) return { socket: socket.resume(), udpPort }
  socket.destroy()
  return "stranger"
}

async function askForMarker(
  socket: Socket,
  users: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<number | undefined> {
  const replies = openReplies(socket, signal)
  const [user] = [...users].map(([USER, PASSWORD]) => Object.entries({ USER, PASSWORD }))
  await replies.ask(formatSamLine("HELLO", "VERSION", user ?? [], { quoting: true }))
  const lookup = { NAME: EMBEDDED_MARKER_NAME, OPTIONS: "true" }
  const { values } = await replies.ask(formatSamLine("NAMING", "LOOKUP", Object.entries(lookup)))
  if (values.get("VALUE") !== markerKeys().destination.base64) return undefined
  return Number(values.get("OPTION:udp") ?? 0)
}

function openReplies(socket: Socket, signal: AbortSignal) {
  const reader = new LineReader()
  const hungUp = new AbortController()
  socket.once("close", () => hungUp.abort())
  const either = AbortSignal.any([signal, hungUp.signal])
  const next = async (): Promise<SamLine> => {
    for (;;) {
      const line = reader.next()
      if (line !== undefined) return parseSamLine(line)
      const [bytes] = (await once(socket, "data", { signal: either })) as [Uint8Array]
      reader.push(bytes)
    }
  }
  return {
    ask(line: string) {
      socket.write(`${line}\n`)
      return next()
    },
  }
}
