/**
 * Datagrams, repliable and raw, over UDP or over the control socket.
 *
 * They may be lost, doubled and out of order; the first to a new peer usually is lost, because the
 * router has to find the peer first. About 11 kB travel best.
 *
 * @see https://geti2p.net/en/docs/api/samv3#datagram
 * @module
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import { once } from "node:events"
import { AlliumError } from "../base/errors.ts"
import { isLoopback } from "../base/host-port.ts"
import { Queue } from "../base/queue.ts"
import { Scope } from "../base/scope.ts"
import { type BridgeAddress, udpPortOf } from "./bridge-address.ts"
import type { TakePayload } from "./conversation.ts"
import {
  type Datagram,
  type DatagramPorts,
  type DatagramStyle,
  formatPacket,
  formatSend,
  parsePacket,
  parseReceived,
} from "./datagram-format.ts"
import type { Destination } from "./destination.ts"
import { type OpenedSession, type OpenSessionOptions, openSession } from "./open-session.ts"

/** Datagrams that may wait; those that come while it is full are lost, and counted. */
const WAITING_MAX = 256
/** What a socket may hold unsent, in bytes, before datagrams are lost. */
const UNSENT_BYTES_MAX = 1 << 20

/** How datagrams shall travel. */
export interface DatagramOptions extends OpenSessionOptions {
  readonly style: DatagramStyle
  /**
   * `udp` unless given. `control`: over the session's own socket, for bridges whose UDP port is out of
   * reach. Payloads are then at most about 6,900 bytes, and i2pd may lose what is sent in quick succession.
   */
  readonly via?: "udp" | "control"
  /** Address to receive UDP at that the router can reach; 127.0.0.1 unless given. */
  readonly host?: string
}

/** A destination that speaks in datagrams. */
export interface Datagrams extends AsyncDisposable {
  readonly destination: Destination
  /** What it stands on; owned by this object. */
  readonly session: OpenedSession
  /** Bounded; one consumer; ends with the session. */
  readonly incoming: AsyncIterable<Datagram>
  /** How many were lost because nobody took those that waited. */
  readonly lostCount: number
  /** Resolves, never rejects, when the session is over. */
  readonly closed: Promise<AlliumError>
  /**
   * Hands one to the router; that is all that is ever known. Ports are for Java I2P: i2pd drops
   * repliable datagrams which have any.
   *
   * @param payload - 1 to 31,744 bytes.
   * @throws {AlliumError} `TOO_LARGE`, `BUSY` when the socket is full, `SESSION_CLOSED`,
   * `SESSION_LOST`, `BRIDGE_UNREACHABLE`.
   */
  send(target: Destination, payload: Uint8Array, ports?: DatagramPorts): Promise<void>
}

/** Opens a datagram session. @throws {AlliumError} as `openSession`, and `SESSION_NOT_SUPPORTED`. */
export async function openDatagrams(options: DatagramOptions): Promise<Datagrams> {
  const waiting = new Waiting()
  return options.via === "control"
    ? openOverControl(options, waiting)
    : openOverUdp(options, waiting)
}

/** The queue between router and consumer. */
class Waiting {
  readonly queue = new Queue<Datagram>(WAITING_MAX)
  lostCount = 0

  take(datagram: Datagram | undefined): void {
    if (datagram !== undefined && !this.queue.push(datagram)) this.lostCount++
  }
}

async function openOverUdp(options: DatagramOptions, waiting: Waiting): Promise<Datagrams> {
  const { host = "127.0.0.1", style, signal, values = [] } = options
  await using scope = new Scope()
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4")
  scope.defer(() => new Promise<void>((resolve) => socket.close(() => resolve())))
  socket.on("error", () => {}) // a packet that could not leave; datagrams get lost
  socket.bind(0, host)
  await once(socket, "listening", { signal })
  const { bridge } = options
  socket.on("message", (packet, from) => {
    if (mayBeFrom(bridge, from)) waiting.take(parsePacket(style, packet))
  })
  const address: [string, string][] = [
    ["PORT", String(socket.address().port)],
    ["HOST", host],
  ]
  const session = scope.use(await openSession({ ...options, values: [...values, ...address] }))
  const send: Datagrams["send"] = async (target, payload, ports) => {
    const packet = formatPacket(session.id, target, payload, ports)
    if (socket.getSendQueueSize() > UNSENT_BYTES_MAX) throw busy()
    await sendPacket(socket, packet, session)
  }
  return assemble(session, waiting, scope.move(), send)
}

async function openOverControl(options: DatagramOptions, waiting: Waiting): Promise<Datagrams> {
  const { style } = options
  if (style !== "DATAGRAM" && style !== "RAW")
    throw new AlliumError(
      "SESSION_NOT_SUPPORTED",
      `Cannot open session: ${style} has no SEND on the control socket, expected DATAGRAM or RAW`,
    )
  await using scope = new Scope()
  const takePayload: TakePayload = ({ values }, payload) =>
    waiting.take(parseReceived(values, payload))
  const session = scope.use(await openSession({ ...options, takePayload }))
  const send: Datagrams["send"] = async (target, payload, ports) => {
    const { control } = session
    if (control.socket.writableLength > UNSENT_BYTES_MAX) throw busy()
    control.tell(formatSend(style, target, payload, ports))
  }
  return assemble(session, waiting, scope.move(), send)
}

function assemble(
  session: OpenedSession,
  waiting: Waiting,
  scope: Scope,
  send: Datagrams["send"],
): Datagrams {
  const { destination, closed } = session
  void closed.then(() => waiting.queue.end())
  return {
    destination,
    session,
    closed,
    incoming: waiting.queue,
    get lostCount() {
      return waiting.lostCount
    },
    send,
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

/** Another program of this machine shall not speak in the name of a peer: a router here sends from its own port. */
function mayBeFrom(bridge: BridgeAddress, { address, port }: RemoteInfo): boolean {
  return !isLoopback(bridge.host) || (address === bridge.host && port === udpPortOf(bridge))
}

function busy(): AlliumError {
  return new AlliumError("BUSY", "Cannot send datagram: the router does not take them so fast")
}

function sendPacket(socket: Socket, packet: Uint8Array, { context }: OpenedSession): Promise<void> {
  const { bridge } = context
  return new Promise((resolve, reject) => {
    socket.send(packet, udpPortOf(bridge), bridge.host, (cause) => {
      if (!cause) resolve()
      else reject(new AlliumError("BRIDGE_UNREACHABLE", "Cannot send datagram", { cause }))
    })
  })
}
