/**
 * Sessions and streams in memory, with SAM's manners: ending one side ends both, a reset looks like an
 * end, and, when asked for, the tail is lost as on i2pd.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { Duplex } from "node:stream"
import { AlliumError } from "../../src/base/errors.ts"
import { Queue } from "../../src/base/queue.ts"
import { type Destination, readDestination } from "../../src/sam/destination.ts"
import type { SamStream, Session, SessionState } from "../../src/sam/session.ts"
import type { DatagramSession } from "../../src/sam/supervised-datagrams.ts"

/** Faults of a network in memory; may be changed at any time. */
export interface FakeFaults {
  /** As i2pd: no back-pressure, and what waits for a reader that paused is dropped at close, without an end. */
  tailLoss: boolean
}

type Done = (error?: Error | null) => void

class FakeStream extends Duplex implements SamStream {
  readonly peer: Destination
  readonly direction: "out" | "in"
  readonly #faults: FakeFaults
  #partner!: FakeStream
  /** What the bridge holds for us while we do not read; `undefined` is the end. */
  readonly #held: (Buffer | undefined)[] = []
  #wanted = false
  #taken: Done | undefined

  constructor(peer: Destination, direction: "out" | "in", faults: FakeFaults) {
    super({ allowHalfOpen: false })
    this.peer = peer
    this.direction = direction
    this.#faults = faults
  }

  static pair(dialler: Destination, listener: Destination, faults: FakeFaults) {
    const out = new FakeStream(listener, "out", faults)
    const incoming = new FakeStream(dialler, "in", faults)
    out.#partner = incoming
    incoming.#partner = out
    return [out, incoming] as const
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#partner.#receive(Buffer.from(chunk), done)
  }

  override _final(done: Done): void {
    this.#partner.#receiveEnd()
    setImmediate(() => this.push(null))
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#partner.#receiveEnd()
    this.#taken?.()
    done(error)
  }

  override _read(): void {
    this.#wanted = true
    this.#serve()
  }

  #receive(chunk: Buffer, done: Done): void {
    if (!this.destroyed) this.#held.push(chunk)
    if (this.destroyed || this.#faults.tailLoss) done()
    else this.#taken = done
    this.#serve()
  }

  #receiveEnd(): void {
    if (this.#faults.tailLoss && this.#held.length > 0) this.#held.length = 0
    else this.#held.push(undefined)
    this.#serve()
  }

  #serve(): void {
    while (this.#wanted && this.#held.length > 0) {
      const chunk = this.#held.shift()
      this.#wanted = this.push(chunk ?? null)
    }
    if (this.#held.length > 0) return
    this.#taken?.()
    this.#taken = undefined
  }
}

/** A destination nobody else has. */
export function fakeDestination(): Destination {
  const certificate = Uint8Array.of(5, 0, 4, 0, 7, 0, 0)
  return readDestination(Buffer.concat([randomBytes(384), certificate]))
}

/** Two ends of one stream. */
export function fakeStreams(faults: FakeFaults = { tailLoss: false }) {
  return FakeStream.pair(fakeDestination(), fakeDestination(), faults)
}

/** Sessions that reach each other, and nobody else. */
export interface FakeNetwork {
  readonly faults: FakeFaults
  /** Opens a session; the same destination again when one is given. */
  open(destination?: Destination): Session
  /** A session for datagrams, where the network has any. */
  openDatagrams?(style: "DATAGRAM" | "RAW"): DatagramSession
}

/** An empty network in memory. */
export function openFakeNetwork(): FakeNetwork {
  const faults: FakeFaults = { tailLoss: false }
  const listening = new Map<string, FakeSession>()
  return {
    faults,
    open(destination = fakeDestination()) {
      const session = new FakeSession(destination, listening, faults)
      listening.set(destination.b32, session)
      return session
    },
  }
}

class FakeSession implements Session {
  readonly destination: Destination
  readonly incoming: Queue<SamStream> = new Queue(256)
  readonly #listening: Map<string, FakeSession>
  readonly #faults: FakeFaults
  readonly #streams = new Set<SamStream>()
  #state: SessionState = { name: "up", sinceMs: 0 }

  constructor(destination: Destination, listening: Map<string, FakeSession>, faults: FakeFaults) {
    this.destination = destination
    this.#listening = listening
    this.#faults = faults
  }

  get state(): SessionState {
    return this.#state
  }

  watch(): () => void {
    return () => {}
  }

  async ready(): Promise<void> {}

  async connect(target: string): Promise<SamStream> {
    const peer = [...this.#listening.values()].find(
      ({ destination }) => destination.b32 === target || destination.base64 === target,
    )
    if (peer === undefined)
      throw new AlliumError("PEER_UNREACHABLE", "Cannot connect: nobody is there")
    const [ours, theirs] = FakeStream.pair(this.destination, peer.destination, this.#faults)
    this.#own(ours)
    peer.#own(theirs)
    peer.incoming.push(theirs)
    return ours
  }

  async lookup(): Promise<Destination> {
    throw new AlliumError("NAME_NOT_FOUND", "Cannot look up: there are no names here")
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = { name: "closed", sinceMs: 0 }
    this.#listening.delete(this.destination.b32)
    this.incoming.end()
    for (const stream of this.#streams) stream.destroy()
  }

  #own(stream: SamStream): void {
    this.#streams.add(stream)
    stream.on("error", () => {})
    stream.once("close", () => this.#streams.delete(stream))
  }
}
