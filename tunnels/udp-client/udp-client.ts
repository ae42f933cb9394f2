/**
 * The UDP port of a `udp-client`: every program that sends to it is told apart by its address.
 *
 * @module
 */
import type { RemoteInfo, Socket } from "node:dgram"
import {
  addTag,
  bindUdp,
  type Datagram,
  type DatagramSession,
  DatagramTarget,
  type HostPort,
  IdleMap,
  Meter,
  nextNumber,
  type OpenTunnel,
  readTag,
  Scope,
  type TunnelContext,
  UNSENT_BYTES_MAX,
  udpAddress,
} from "allium/tunnel"

/** What {@linkcode openUdpClient} needs; units are in the names. */
export interface UdpClientSettings {
  readonly at: HostPort
  readonly target: string
  readonly keys: "transient" | "persistent"
  /** Without tags: one program at a time. */
  readonly isPlain: boolean
  readonly waitMs: number
  readonly idleMs: number
  readonly programsMax: number
}

interface Program {
  readonly number: number
  readonly address: string
  readonly port: number
  readonly leave: () => void
  readonly answered: () => void
}

/**
 * Listens; the session opens meanwhile.
 *
 * @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`, `SESSION_LIMIT`.
 */
export async function openUdpClient(
  context: TunnelContext,
  settings: UdpClientSettings,
): Promise<OpenTunnel> {
  await using opening = new Scope()
  const socket = await bindUdp(settings.at)
  opening.defer(() => new Promise<void>((resolve) => socket.close(() => resolve())))
  const keys = settings.keys === "persistent" ? settings.keys : "renewed"
  const session = await context.datagrams({ keys, style: "DATAGRAM" })
  const scope = opening.move()
  const client = new UdpClient(context, { ...settings, socket, session, signal: scope.signal })
  return {
    listens: udpAddress(socket),
    counters: () => client.counters(),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

type Parts = UdpClientSettings & {
  readonly socket: Socket
  readonly session: DatagramSession
  readonly signal: AbortSignal
}

class UdpClient {
  readonly #meter: Meter
  readonly #parts: Parts
  readonly #target: DatagramTarget
  readonly #programs: IdleMap<Program>
  readonly #keys = new Map<number, string>()
  #last = 0

  constructor(context: TunnelContext, parts: Parts) {
    const { clock } = context
    this.#parts = parts
    this.#meter = new Meter(["datagramsIn", "datagramsOut", "lost"], clock)
    this.#programs = new IdleMap({ ...parts, clock, onGone: (program) => this.#forget(program) })
    const onLost = (error: unknown, count: number) => {
      this.#meter.add("lost", count)
      context.log.info("datagram.lost", { code: this.#meter.fail(error) })
    }
    const session = async () => parts.session
    this.#target = new DatagramTarget(parts.target, { ...context, ...parts, session, onLost })
    parts.socket.on("error", () => this.#meter.add("lost"))
    parts.socket.on("message", (payload, from) => this.#send(payload, from))
    void this.#receive(parts.session)
  }

  counters(): Readonly<Record<string, number>> {
    const { lost = 0, ...counts } = this.#meter.read()
    return { ...counts, lost: lost + this.#parts.session.lostCount }
  }

  #send(payload: Uint8Array, from: RemoteInfo): void {
    const program = this.#programFor(from)
    if (program === undefined) {
      this.#meter.add("refused")
      return
    }
    this.#meter.add("datagramsOut")
    this.#meter.moved(0, payload.length)
    this.#target.send(addTag(this.#parts.isPlain ? undefined : program.number, payload))
  }

  #programFor({ address, port }: RemoteInfo): Program | undefined {
    const key = `${address} ${port}`
    const known = this.#programs.get(key)
    if (known !== undefined) return known
    const { isPlain, programsMax } = this.#parts
    if (isPlain && this.#programs.size > 0) return undefined
    const [oldest] = this.#programs.keys()
    if (this.#programs.size >= programsMax && oldest !== undefined) this.#programs.end(oldest)
    const number = nextNumber(this.#last, this.#keys)
    this.#last = number
    const leave = this.#meter.enter()
    const program = { number, address, port, leave, answered: this.#meter.awaitFirstByte() }
    this.#programs.set(key, program)
    this.#keys.set(number, key)
    return program
  }

  #forget({ number, leave }: Program): void {
    this.#keys.delete(number)
    leave()
  }

  async #receive(session: DatagramSession): Promise<void> {
    for await (const datagram of session.incoming) this.#take(datagram)
  }

  /** Only the destination itself may answer, and only those who asked. */
  #take({ payload: bytes, peerB32 }: Datagram): void {
    const { isPlain, socket } = this.#parts
    const { number, payload } = isPlain ? { number: this.#last, payload: bytes } : readTag(bytes)
    const key = this.#keys.get(number ?? -1)
    const isAnswer = peerB32 !== undefined && peerB32 === this.#target.b32
    const program = isAnswer && key !== undefined ? this.#programs.get(key) : undefined
    if (program === undefined) this.#meter.add("refused")
    else if (socket.getSendQueueSize() > UNSENT_BYTES_MAX) this.#meter.add("lost")
    else this.#pass(payload, program)
  }

  #pass(payload: Uint8Array, program: Program): void {
    const { socket } = this.#parts
    program.answered()
    this.#meter.add("datagramsIn")
    this.#meter.moved(payload.length, 0)
    socket.send(payload, program.port, program.address, (error) => {
      if (error) this.#meter.add("lost")
    })
  }
}
