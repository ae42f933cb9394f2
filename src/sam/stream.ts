/**
 * Streams: a socket to the bridge after the last SAM line on it.
 *
 * The stream *is* the socket, so back-pressure is the kernel's own in both directions, and nothing is
 * copied. It does not reach the peer: routers take whatever they are given (`docs/limits.md`).
 *
 * @see https://geti2p.net/en/docs/api/samv3#stream
 * @module
 */
import type { Socket } from "node:net"
import type { SamContext } from "./context.ts"
import { openConversation } from "./conversation.ts"
import type { Destination } from "./destination.ts"
import type { RouterProfile } from "./profile.ts"
import { acceptRequest, arrivalRequest, connectRequest } from "./requests.ts"
import type { ResultCodes } from "./results.ts"
import type { ConnectCall, SamStream } from "./session.ts"

/** Java I2P tries 60 s before it gives up on a peer; a router that says nothing for longer is broken. */
const CONNECT_TIMEOUT_MS = 180_000
/** ACCEPT is answered at once by a router that works. */
export const ACCEPT_TIMEOUT_MS = 30_000

/** A session at the bridge, as far as its streams need it. */
export interface StreamSession {
  readonly context: SamContext
  /** What CONNECT and ACCEPT name. */
  readonly id: string
}

/**
 * Opens a stream. OK does not mean that the peer has answered, nor on i2pd that it is there.
 *
 * @returns A stream the caller owns.
 * @throws {AlliumError} `PEER_UNREACHABLE`, `PEER_TIMED_OUT`, `PEER_REFUSED`, `BAD_DESTINATION`,
 * `SESSION_LOST` when the router does not know the session (any more), `BRIDGE_UNREACHABLE`,
 * `BRIDGE_SILENT`, `BRIDGE_BAD_REPLY`, `BRIDGE_FAILED`, `ABORTED`, `TIMED_OUT`.
 */
export async function connectStream(
  session: StreamSession,
  target: Destination,
  call: ConnectCall,
): Promise<SamStream> {
  return toSamStream(await connectSocket(session, target.base64, call), target, "out")
}

/**
 * As {@linkcode connectStream}, to a name the router looks up; who is there, it does not say.
 *
 * @throws {AlliumError} also `NAME_NOT_FOUND`.
 */
export function connectByName(
  session: StreamSession,
  name: string,
  call: ConnectCall,
): Promise<Socket> {
  return connectSocket(session, name, call, { INVALID_KEY: "NAME_NOT_FOUND" })
}

async function connectSocket(
  session: StreamSession,
  address: string,
  call: ConnectCall,
  codes?: ResultCodes,
): Promise<Socket> {
  const { conversation, profile } = await openConversation(session.context, call)
  try {
    const values: [string, string][] = [
      ["ID", session.id],
      ["DESTINATION", address],
      ["SILENT", "false"],
      ...portValues(profile, call),
    ]
    const { signal } = call
    const request = connectRequest(values, codes)
    await conversation.ask(request, { signal, timeoutMs: CONNECT_TIMEOUT_MS })
    return conversation.socket
  } catch (error) {
    conversation.close()
    throw error
  }
}

/**
 * Waits for one stream from anybody. Never have two of these pending on one session: i2pd 2.45.1 goes
 * deaf and newer ones close the older.
 *
 * @returns A stream the caller owns.
 * @throws {AlliumError} `SESSION_LOST` when the router has no such session; `BUSY` while streams are
 * forwarded (Java I2P); `BRIDGE_UNREACHABLE` when the router closes the socket, which is nothing
 * special: ask again; and as {@linkcode connectStream}.
 */
export async function acceptStream(
  session: StreamSession,
  call: { signal: AbortSignal },
): Promise<SamStream> {
  const { conversation } = await openConversation(session.context, call)
  try {
    const { signal } = call
    await conversation.ask(acceptRequest(session.id), { signal, timeoutMs: ACCEPT_TIMEOUT_MS })
    const { peer, toPort } = await conversation.ask(arrivalRequest(), { signal })
    const stream = toSamStream(conversation.socket, peer, "in")
    return toPort === undefined ? stream : Object.assign(stream, { toPort })
  } catch (error) {
    conversation.close()
    throw error
  }
}

/** A socket whose SAM lines have all been taken becomes a stream; the socket itself, not a wrapper. */
export function toSamStream(
  socket: Socket,
  peer: Destination,
  direction: SamStream["direction"],
): SamStream {
  return Object.assign(socket, { peer, direction })
}

function portValues({ ports }: RouterProfile, call: ConnectCall): [string, string][] {
  if (!ports) return []
  const values: [string, string][] = []
  if (call.fromPort !== undefined) values.push(["FROM_PORT", String(call.fromPort)])
  if (call.toPort !== undefined) values.push(["TO_PORT", String(call.toPort)])
  return values
}
