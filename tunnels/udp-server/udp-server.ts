/**
 * Takes the datagrams of a destination. Each client has a UDP socket of its own towards the program, so that answers
 * reach who asked, and nobody else.
 *
 * @module
 */
import type { Socket } from "node:dgram"
import { isIPv6 } from "node:net"
import {
  AlliumError,
  addTag,
  bindUdp,
  type Datagram,
  type DatagramSession,
  type Destination,
  type Gate,
  type HostPort,
  IdleMap,
  isLoopback,
  loopbackFor,
  Meter,
  type OpenTunnel,
  openGate,
  readTag,
  Scope,
  type TunnelContext,
  UNSENT_BYTES_MAX,
} from "allium/tunnel"

/** What {@linkcode openUdpServer} needs; units are in the names. */
export interface UdpServerSettings {
  readonly backend: HostPort
  readonly clientAddress: "none" | "loopback"
  readonly access: Parameters<typeof openGate>[0]
  /** Beyond, the one of that destination that is quiet longest makes room. */
  readonly talksPerPeerMax: number
  readonly idleMs: number
}

/** One program at one destination, and its socket. */
interface Talk {
  readonly peer: Destination
  /** Which program there; none when datagrams come without tags. */
  readonly number: number | undefined
  readonly socket: Socket
  readonly answered: () => void
  readonly leave: () => void
}

/**
 * Opens the session with its own lasting keys; datagrams are taken as soon as it is up.
 *
 * @throws {AlliumError} `BAD_FILTER`, `NOT_FOUND`, `SESSION_LIMIT`.
 */
export async function openUdpServer(
  context: TunnelContext,
  settings: UdpServerSettings,
): Promise<OpenTunnel> {
  await using opening = new Scope()
  const gate = await openGate(settings.access, { ...context, signal: opening.signal })
  const session = await context.datagrams({ keys: "persistent", style: "DATAGRAM" })
  const scope = opening.move()
  const server = new UdpServer(context, { ...settings, gate, session, signal: scope.signal })
  void server.takeDatagrams()
  return {
    address: session.destination.b32,
    counters: () => server.counters(),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

type Parts = UdpServerSettings & {
  readonly gate: Gate
  readonly session: DatagramSession
  readonly signal: AbortSignal
}

class UdpServer {
  readonly #context: TunnelContext
  readonly #parts: Parts
  readonly #meter: Meter
  readonly #talks: IdleMap<Talk>

  constructor(context: TunnelContext, parts: Parts) {
    const { clock } = context
    this.#context = context
    this.#parts = parts
    this.#meter = new Meter(["datagramsIn", "datagramsOut", "lost"], clock)
    this.#talks = new IdleMap({ ...parts, clock, onGone: (talk) => talk.leave() })
  }

  counters(): Readonly<Record<string, number>> {
    const { lost = 0, ...counts } = this.#meter.read()
    return { ...counts, lost: lost + this.#parts.session.lostCount }
  }

  async takeDatagrams(): Promise<void> {
    for await (const datagram of this.#parts.session.incoming)
      await this.#take(datagram).catch((error) => this.#fail(error))
  }

  async #take({ peer, payload: bytes }: Datagram): Promise<void> {
    const { number, payload } = readTag(bytes)
    const talk = peer && (await this.#talkWith(peer, number))
    if (talk === undefined) this.#meter.add("refused")
    else this.#pass(talk, payload)
  }

  #pass(talk: Talk, payload: Uint8Array): void {
    this.#meter.add("datagramsIn")
    this.#meter.moved(payload.length, 0)
    if (!this.#parts.gate.moved(talk.peer.b32, payload.length)) this.#useUp(talk)
    else if (talk.socket.getSendQueueSize() > UNSENT_BYTES_MAX) this.#meter.add("lost")
    else
      talk.socket.send(payload, (error) => {
        if (error) this.#fail(backendDown())
      })
  }

  async #talkWith(peer: Destination, number: number | undefined): Promise<Talk | undefined> {
    return this.#talks.get(keyOf(peer.b32, number)) ?? this.#enter(peer, number)
  }

  /** `undefined` for who must not come in. */
  async #enter(peer: Destination, number: number | undefined): Promise<Talk | undefined> {
    const { gate, signal } = this.#parts
    const { b32 } = peer
    if (signal.aborted) return undefined
    this.#makeRoom(b32)
    if (gate.enter(b32) !== undefined) return undefined
    const exit = this.#meter.enter()
    const socket = await this.#bind(b32).catch((error) => {
      exit()
      gate.leave(b32)
      throw error
    })
    const leave = () => {
      exit()
      gate.leave(b32)
      socket.close()
    }
    if (signal.aborted) leave()
    if (signal.aborted) return undefined
    const talk = { peer, number, socket, leave, answered: this.#meter.awaitFirstByte() }
    socket.on("error", () => this.#fail(backendDown()))
    socket.on("message", (payload) => this.#answer(talk, payload))
    this.#talks.set(keyOf(b32, number), talk)
    return talk
  }

  #bind(b32: string): Promise<Socket> {
    const { backend, clientAddress } = this.#parts
    if (clientAddress === "loopback") return bindUdp({ host: loopbackFor(b32), port: 0 }, backend)
    const [own, any] = isIPv6(backend.host) ? ["::1", "::"] : ["127.0.0.1", "0.0.0.0"]
    return bindUdp({ host: isLoopback(backend.host) ? own : any, port: 0 }, backend)
  }

  /** Programs that ask from a new port each time shall not shut themselves out. */
  #makeRoom(b32: string): void {
    const own = [...this.#talks.keys()].filter((key) => key.startsWith(b32))
    if (own.length >= this.#parts.talksPerPeerMax) this.#talks.end(own[0]!)
  }

  #answer(talk: Talk, payload: Uint8Array): void {
    const { peer, number } = talk
    this.#talks.get(keyOf(peer.b32, number)) // it is in use
    talk.answered()
    this.#meter.add("datagramsOut")
    this.#meter.moved(0, payload.length)
    if (!this.#parts.gate.moved(peer.b32, payload.length)) this.#useUp(talk)
    else this.#parts.session.send(peer, addTag(number, payload)).catch((error) => this.#fail(error))
  }

  /** The gate lets nobody of that destination in again before the hour is over. */
  #useUp({ peer, number }: Talk): void {
    this.#talks.end(keyOf(peer.b32, number))
    const message = "Cannot go on: the bytes of this hour are used up, expected fewer"
    this.#fail(new AlliumError("TOO_MANY_REQUESTS", message))
  }

  #fail(error: unknown): void {
    this.#meter.add("lost")
    this.#context.log.info("datagram.lost", { code: this.#meter.fail(error) })
  }
}

function keyOf(b32: string, number: number | undefined): string {
  return `${b32} ${number ?? "plain"}`
}

function backendDown(): AlliumError {
  return new AlliumError("BACKEND_DOWN", "Cannot lead on: the program does not answer")
}
