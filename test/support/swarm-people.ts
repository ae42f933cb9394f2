/** Swarms in one process: torrents made up, stores in memory, streams without a network. */
import { createHash } from "node:crypto"
import { Duplex } from "node:stream"
import {
  openSwarm,
  type Swarm,
  type SwarmEvent,
  type SwarmOptions,
  type SwarmStore,
} from "../../plugins/files/swarm/index.ts"
import { Bitfield } from "../../plugins/files/torrent/bitfield.ts"
import { BLOCK_BYTES } from "../../plugins/files/torrent/geometry.ts"
import { type Metainfo, readInfo } from "../../plugins/files/torrent/metainfo.ts"
import { writeInfo } from "../../plugins/files/torrent/metainfo-write.ts"
import type { Progress } from "../../plugins/files/torrent/resume.ts"
import { systemClock } from "../../src/base/clock.ts"
import { AlliumError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { seededChance } from "../../src/base/random.ts"

/** A torrent of one file, or of files of these sizes, that nobody has seen. */
export interface MadeTorrent {
  readonly metainfo: Metainfo
  readonly bytes: Uint8Array
}

export function makeTorrent(
  sizes: number | readonly number[],
  options: { pieceBytes?: number; isPrivate?: boolean; seed?: number } = {},
): MadeTorrent {
  const { pieceBytes = 64 * 1_024, isPrivate = false, seed = 1 } = options
  const size = typeof sizes === "number" ? sizes : sizes.reduce((sum, one) => sum + one, 0)
  const bytes = makeBytes(size, seed)
  const hashes: Buffer[] = []
  for (let at = 0; at < size; at += pieceBytes)
    hashes.push(sha1(bytes.subarray(at, Math.min(size, at + pieceBytes))))
  const content =
    typeof sizes === "number"
      ? size
      : sizes.map((one, index) => ({ path: [`file ${index}`], size: one }))
  const plan = { name: "made up", content, pieceBytes, pieceHashes: Buffer.concat(hashes) }
  return { metainfo: readInfo(writeInfo({ ...plan, isPrivate })), bytes }
}

function makeBytes(size: number, seed: number): Uint8Array {
  const chance = seededChance(seed)
  const words = new Uint32Array(Math.ceil(size / 4))
  for (let at = 0; at < words.length; at++) words[at] = chance() * 2 ** 32
  return new Uint8Array(words.buffer, 0, size)
}

const sha1 = (bytes: Uint8Array) => createHash("sha1").update(bytes).digest()

/** The bytes of one torrent in memory. */
export class MemoryPieces implements SwarmStore {
  readonly geometry: Metainfo["geometry"]
  readonly bytes: Uint8Array
  /** What the disk answers to the next writes. */
  isFull = false
  syncs = 0
  readonly #hashes: Uint8Array

  /** @param bytes - What is there already; a copy is kept. */
  constructor({ geometry, pieceHashes }: Metainfo, bytes?: Uint8Array) {
    this.geometry = geometry
    this.#hashes = pieceHashes
    this.bytes = bytes?.slice() ?? new Uint8Array(geometry.size)
  }

  async read({ piece, begin }: { piece: number; begin: number }, into: Uint8Array): Promise<void> {
    const start = piece * this.geometry.pieceBytes + begin
    into.set(this.bytes.subarray(start, start + into.length))
  }

  async write(
    { piece, begin }: { piece: number; begin: number },
    bytes: Uint8Array,
  ): Promise<void> {
    await undefined
    if (this.isFull) throw new AlliumError("DISK_FULL", "Cannot write: the disk is full")
    this.bytes.set(bytes, piece * this.geometry.pieceBytes + begin)
  }

  async check(piece: number, { digests }: { digests: boolean }) {
    const start = piece * this.geometry.pieceBytes
    const bytes = this.bytes.subarray(start, start + this.geometry.lengthOf(piece))
    await undefined
    const isRight = sha1(bytes).equals(this.#hashes.subarray(piece * 20, piece * 20 + 20))
    if (!digests) return { isRight }
    const blocks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES)
      blocks.push(sha1(bytes.subarray(at, at + BLOCK_BYTES)))
    return { isRight, digests: new Uint8Array(Buffer.concat(blocks)) }
  }

  async sync(): Promise<void> {
    this.syncs++
  }

  async hasRoom(): Promise<boolean> {
    return !this.isFull
  }
}

/** A swarm with its store, and what it told and saved. */
export interface Person extends AsyncDisposable {
  readonly swarm: Swarm
  readonly events: SwarmEvent[]
  readonly saves: { readonly progress: Progress; readonly isSynced: boolean }[]
  /** Of the torrent, once it is known. */
  readonly store: MemoryPieces
  /** Resolves at the next event of that kind, or when there was one. */
  heard<K extends SwarmEvent["kind"]>(kind: K): Promise<SwarmEvent & { kind: K }>
}

/** How one differs from one who has nothing. */
export interface PersonOptions extends Partial<Omit<SwarmOptions, "infohash" | "open">> {
  /** Has everything. */
  readonly isSeeder?: boolean
  /** Knows only the infohash. */
  readonly isFromMagnet?: boolean
  readonly progress?: Progress
  readonly store?: MemoryPieces
}

export function openPerson(torrent: MadeTorrent, options: PersonOptions = {}): Person {
  const { metainfo, bytes } = torrent
  const { isSeeder, isFromMagnet, progress, ...rest } = options
  const store = options.store ?? new MemoryPieces(metainfo, isSeeder ? bytes : undefined)
  const full = { have: Bitfield.full(metainfo.geometry.pieceCount), partial: new Map() }
  const saves: Person["saves"] = []
  const swarm = openSwarm({
    clock: systemClock,
    chance: seededChance(1),
    log: silentLog,
    ...(!isFromMagnet && { metainfo }),
    save: async (saved, isSynced) => void saves.push({ progress: saved, isSynced }),
    ...rest,
    infohash: metainfo.infohash,
    open: async () => ({ store, ...(isSeeder ? { progress: full } : progress && { progress }) }),
  })
  const events: SwarmEvent[] = []
  const waiting = new Set<(event: SwarmEvent) => void>()
  swarm.on((event) => {
    events.push(event)
    for (const hear of waiting) hear(event)
  })
  return {
    swarm,
    events,
    saves,
    store,
    heard: (kind) =>
      new Promise((resolve) => {
        type Heard = Parameters<typeof resolve>[0]
        const hear = (event: SwarmEvent) => {
          if (event.kind !== kind) return
          waiting.delete(hear)
          resolve(event as Heard)
        }
        const before = events.find((event) => event.kind === kind)
        if (before === undefined) waiting.add(hear)
        else resolve(before as Heard)
      }),
    [Symbol.asyncDispose]: () => swarm[Symbol.asyncDispose](),
  }
}

/** Two ends of one stream: what is written to one is read from the other; when one ends, both do. */
export function openPair(highWaterMark = 65_536): [Duplex, Duplex] {
  const ends: Duplex[] = []
  for (const far of [1, 0]) {
    let go: (() => void) | undefined
    const end: Duplex & { go?: () => void } = new Duplex({
      highWaterMark,
      allowHalfOpen: false,
      read: () => {
        const waiting = go
        go = undefined
        waiting?.()
      },
      write: (chunk, _encoding, done) => {
        setImmediate(() => (ends[far] as typeof end & Takes).take(chunk, done))
      },
      final: (done) => {
        setImmediate(() => (ends[far] as typeof end & Takes).take(null, done))
      },
      destroy: (_error, done) => {
        go?.()
        setImmediate(() => ends[far]!.destroy())
        done(null)
      },
    })
    Object.assign(end, {
      take: (chunk: Uint8Array | null, done: () => void) => {
        if (end.destroyed || end.push(chunk) || chunk === null) done()
        else go = done
      },
    })
    ends.push(end)
  }
  return ends as [Duplex, Duplex]
}

interface Takes {
  take(chunk: Uint8Array | null, done: () => void): void
}

/** Joins two swarms by one stream; `a` dials. @returns Their ends, and how each found it ended. */
export function connect(
  a: Person,
  b: Person,
  names: { a: string; b: string; isOwn?: boolean; lane?: string } = { a: "a", b: "b" },
) {
  const [near, far] = openPair()
  const isOwn = names.isOwn ?? false
  return {
    near,
    far,
    nearEnd: a.swarm.join(near, { name: names.b, outgoing: true, isOwn }),
    farEnd: b.swarm.join(far, { name: names.a, outgoing: false, isOwn }),
  }
}
