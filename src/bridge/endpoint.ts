/**
 * A destination while it is alive on the embedded network.
 *
 * @module
 */
import type { Destination } from "../sam/destination.ts"
import type { Listener } from "./listener.ts"
import type { EmbeddedStream } from "./stream.ts"

/** LeaseSets one destination remembers; the oldest is forgotten first. */
const KNOWN_MAX = 1024

/** Numbers I2CP gives to what a datagram is. */
export const PROTOCOLS = { DATAGRAM: 17, RAW: 18, DATAGRAM2: 19, DATAGRAM3: 20 } as const
/** The styles that carry datagrams. */
export type DatagramStyle = keyof typeof PROTOCOLS

/** One datagram on its way. */
export interface Datagram {
  readonly style: DatagramStyle
  readonly from: Destination
  readonly fromPort: number
  readonly toPort: number
  /** I2CP protocol: 17, 19, 20, or what a RAW sender chose. */
  readonly protocol: number
  readonly payload: Uint8Array
}

/** Who takes datagrams at a session or subsession. */
export interface Receiver {
  readonly style: DatagramStyle
  /** `undefined` takes what no other receiver wants. */
  readonly port: number | undefined
  /** Only for RAW: the protocol listened to; 0 takes all. */
  readonly protocol: number
  deliver(datagram: Datagram): void
}

/** Owned by one session; its subsessions share it. */
export class Endpoint {
  readonly destination: Destination
  /** Grows with every session: tells a restarted destination from the one before. */
  readonly generation: number
  /** When the faults `zombie` lets it die, by the monotonic clock. */
  readonly diesAtMs: number
  readonly listeners = new Set<Listener>()
  readonly receivers = new Set<Receiver>()
  readonly streams = new Set<EmbeddedStream>()
  readonly #known = new Map<string, number>()
  /** Closed by its owner. */
  closed = false
  /** Dead together with another session of the same keys, while its owner thinks it lives. */
  killed = false

  constructor(destination: Destination, generation: number, diesAtMs: number) {
    this.destination = destination
    this.generation = generation
    this.diesAtMs = diesAtMs
  }

  /** Generation of the LeaseSet this destination holds of `b32`. */
  knows(b32: string): number | undefined {
    return this.#known.get(b32)
  }

  /** Takes over the present LeaseSet of another destination. */
  learn(b32: string, generation: number): void {
    this.#known.delete(b32)
    this.#known.set(b32, generation)
    if (this.#known.size <= KNOWN_MAX) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }

  /** The listener for a port: its own, or the one that takes the rest. */
  listenerFor(port: number): Listener | undefined {
    return pick([...this.listeners], port)
  }

  /** The receiver for a datagram. */
  receiverFor({ style, protocol, toPort }: Datagram): Receiver | undefined {
    const fits = (receiver: Receiver) =>
      receiver.style === style &&
      (style !== "RAW" || receiver.protocol === 0 || receiver.protocol === protocol)
    return pick([...this.receivers].filter(fits), toPort)
  }
}

function pick<T extends { port: number | undefined }>(all: T[], port: number): T | undefined {
  return all.find((one) => one.port === port) ?? all.find((one) => !one.port)
}
