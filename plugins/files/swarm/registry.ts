/**
 * Streams that strangers open: which torrent they ask for, and whether they may.
 *
 * A stream is closed without a word when its torrent is not here, or not for this peer: nobody can tell the one from the other.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import type { Clock } from "allium/plugin"
import { decodeHandshake, PEER_HANDSHAKE_BYTES } from "../torrent/handshake.ts"
import type { PeerEnd, Swarm, SwarmPeer } from "./types.ts"

/** A handshake of 68 bytes comes in one round trip; I2P may need tens of seconds for one. */
const HANDSHAKE_MS = 60_000
/** Streams that have not said what they want. */
const UNDECIDED_MAX = 64
/** Such streams of one peer. */
const UNDECIDED_PER_PEER_MAX = 8

/** The swarms that take part on one destination, or behind one door. */
export class SwarmRegistry {
  readonly #clock: Clock
  readonly #swarms = new Map<string, Swarm>()
  readonly #undecided = new Map<Duplex, string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Admits streams to a swarm. @returns Ends that. @throws {RangeError} When there is one of that infohash. */
  add(swarm: Swarm): () => void {
    const key = keyOf(swarm.infohash)
    if (this.#swarms.has(key)) throw new RangeError("A torrent is added once")
    this.#swarms.set(key, swarm)
    return () => {
      if (this.#swarms.get(key) === swarm) this.#swarms.delete(key)
    }
  }

  get(infohash: Uint8Array): Swarm | undefined {
    return this.#swarms.get(keyOf(infohash))
  }

  /**
   * Reads whom the stream is for and hands it over. Owns the stream from now on. Never rejects.
   *
   * @returns How it ended; `not admitted` for whatever was closed without a word.
   */
  async admit(stream: Duplex, peer: Omit<SwarmPeer, "outgoing">): Promise<PeerEnd> {
    const swarm = await this.#decide(stream, peer.name).catch(() => undefined)
    if (swarm !== undefined) return swarm.join(stream, { ...peer, outgoing: false })
    stream.on("error", () => {})
    stream.destroy()
    return "not admitted"
  }

  async #decide(stream: Duplex, name: string): Promise<Swarm | undefined> {
    const names = [...this.#undecided.values()]
    const same = names.filter((other) => other === name).length
    if (names.length >= UNDECIDED_MAX || same >= UNDECIDED_PER_PEER_MAX) return undefined
    this.#undecided.set(stream, name)
    try {
      const infohash = await this.#readInfohash(stream)
      const swarm = infohash && this.get(infohash)
      return swarm?.admits(name) ? swarm : undefined
    } finally {
      this.#undecided.delete(stream)
    }
  }

  /** Puts back what it has read. */
  async #readInfohash(stream: Duplex): Promise<Uint8Array | undefined> {
    const over = new AbortController()
    const ended = new Promise<undefined>((resolve) => {
      for (const event of ["end", "close", "error"]) stream.once(event, () => resolve(undefined))
      this.#clock.sleep(HANDSHAKE_MS, over).then(
        () => resolve(undefined),
        () => {},
      )
    })
    try {
      const head = await Promise.race([readHead(stream), ended])
      if (head === undefined) return undefined
      stream.unshift(head)
      return decodeHandshake(head.subarray(0, PEER_HANDSHAKE_BYTES))?.infohash
    } finally {
      over.abort()
      stream.removeAllListeners("readable")
    }
  }
}

/** Everything until there is a whole handshake. @throws {AlliumError} `PEER_PROTOCOL` at the first byte that does not fit. */
function readHead(stream: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0)
    const read = () => {
      const chunk: Buffer | null = stream.read()
      if (chunk !== null) head = Buffer.concat([head, chunk])
      try {
        decodeHandshake(head.subarray(0, PEER_HANDSHAKE_BYTES))
      } catch (error) {
        reject(error)
      }
      if (head.length >= PEER_HANDSHAKE_BYTES) resolve(head)
    }
    stream.on("readable", read)
    read()
  })
}

function keyOf(infohash: Uint8Array): string {
  return Buffer.from(infohash).toString("hex")
}
