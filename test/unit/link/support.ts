/** Two ends of a pipe, two identities, two links: what the tests of the link begin with. */
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto"
import { Duplex } from "node:stream"
import type { Clock } from "../../../src/base/clock.ts"
import { separated } from "../../../src/base/ed25519.ts"
import { silentLog } from "../../../src/base/log.ts"
import { type RandomBytes, seededChance } from "../../../src/base/random.ts"
import { LinkAcceptor, type LinkAcceptorOptions } from "../../../src/link/acceptor.ts"
import type { LinkStream } from "../../../src/link/exchange.ts"
import type { Signer } from "../../../src/link/handshake.ts"
import type { Link } from "../../../src/link/link.ts"
import { type LinkSelf, openLink } from "../../../src/link/open-link.ts"
import type { Redial } from "../../../src/link/recover.ts"
import type { Destination } from "../../../src/sam/destination.ts"

const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex")

/** An identity whose seed is 32 times `byte`. */
export function makeSigner(byte: number): Signer {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, byte)]),
    format: "der",
    type: "pkcs8",
  })
  const { x } = createPublicKey(key).export({ format: "jwk" })
  return {
    publicKey: new Uint8Array(Buffer.from(x!, "base64url")),
    sign: (domain, message) => new Uint8Array(sign(null, separated(domain, message), key)),
  }
}

/** A destination in shape only: 391 times `byte`. */
export function makeDestination(byte: number): Destination {
  const bytes = new Uint8Array(391).fill(byte)
  return { bytes, base64: Buffer.from(bytes).toString("base64"), b32: `${byte}.b32.i2p` }
}

/** Repeatable bytes: never for real keys. */
function seededRandom(seed: number): RandomBytes {
  const chance = seededChance(seed)
  return (byteCount) => Uint8Array.from({ length: byteCount }, () => Math.floor(chance() * 256))
}

/** A prime, so that frames break at ever other places. */
const PIECE_BYTES = 1_009
const PIECES_AT_ONCE = 8

interface Piece {
  readonly chunk: Buffer
  readonly done: () => void
  arrived: boolean
}

/** One end of a pipe in memory. What was written and not yet read is lost when the pipe is cut. */
export class PipeEnd extends Duplex {
  readonly peer: Destination
  other!: PipeEnd
  #transit: Piece[] = []
  #wanted = false
  /** How many turns of the event loop a piece is on its way. */
  latencyTurns = 0
  /** Nothing gets through any more, and nobody is told. */
  deaf = false
  /** Bytes that passed. */
  byteCount = 0

  constructor(peer: Destination) {
    super({ allowHalfOpen: false })
    this.peer = peer
  }

  override _read(): void {
    this.#wanted = true
    this.other?.flow()
  }

  /** Breaks what is written anywhere, heads of frames included. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (chunk.length === 0) done()
    const copy = Buffer.from(chunk)
    const pieces: Piece[] = []
    for (let at = 0; at < copy.length; at += PIECE_BYTES) {
      const last = at + PIECE_BYTES >= copy.length
      const piece = copy.subarray(at, at + PIECE_BYTES)
      pieces.push({ chunk: piece, done: last ? done : () => {}, arrived: false })
    }
    this.#transit.push(...pieces)
    void this.#travel(pieces)
  }

  async #travel(pieces: Piece[]): Promise<void> {
    for (let turn = 0; turn <= this.latencyTurns; turn++)
      await new Promise((resolve) => setImmediate(resolve))
    for (const piece of pieces) piece.arrived = true
    this.flow()
  }

  override _final(done: () => void): void {
    setImmediate(() => {
      this.other.push(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    done(error)
    setImmediate(() => this.other.destroy())
  }

  /** Hands some of what is in transit over, as far as the other end wants it. */
  flow(): void {
    for (let count = 0; count < PIECES_AT_ONCE; count++) {
      if (this.deaf || !this.other.#wanted || this.other.destroyed) return
      if (this.#transit[0]?.arrived !== true) return
      const { chunk, done } = this.#transit.shift()!
      this.byteCount += chunk.length
      this.other.#wanted = false
      if (this.other.push(chunk)) this.other.#wanted = true
      done()
    }
    setImmediate(() => this.flow())
  }

  /** The pipe breaks: what is in transit is gone. */
  cut(): void {
    this.#transit = []
    this.other.#transit = []
    this.destroy()
  }
}

/** Two ends: the dialler's, then the acceptor's. */
export function makePipe(
  dialler = makeDestination(1),
  acceptor = makeDestination(2),
): [PipeEnd, PipeEnd] {
  const ends: [PipeEnd, PipeEnd] = [new PipeEnd(acceptor), new PipeEnd(dialler)]
  ends[0].other = ends[1]
  ends[1].other = ends[0]
  return ends
}

/** The side of Ann (1, dials) or Bob (2, accepts). */
export function makeSelf(byte: number, options: { clock: Clock } & Partial<LinkSelf>): LinkSelf {
  return {
    identity: makeSigner(byte),
    destination: makeDestination(byte),
    random: seededRandom(byte),
    log: silentLog,
    ...options,
  }
}

/** Ann dials Bob; both keep the link; every cut is followed by a new pipe unless `redial` says no. */
export async function openPair(options: {
  clock: Clock
  ann?: Partial<LinkSelf>
  bob?: Partial<LinkAcceptorOptions>
  /** Called for each new pipe, the first included. */
  onPipe?: (ends: [PipeEnd, PipeEnd]) => void
}): Promise<{ ann: Link; bob: Link; acceptor: LinkAcceptor; pipe: () => [PipeEnd, PipeEnd] }> {
  const { clock } = options
  const annSelf = makeSelf(1, { clock, ...options.ann })
  const acceptor = new LinkAcceptor({ ...makeSelf(2, { clock }), ...options.bob })
  const bobs: Promise<Link | undefined>[] = []
  let ends = makePipe()
  const dial: Redial = async () => {
    ends = makePipe()
    options.onPipe?.(ends)
    const accepted = acceptor.accept(ends[1])
    accepted.catch(() => {})
    bobs.push(accepted)
    return ends[0] as LinkStream
  }
  const { signal } = new AbortController()
  const ann = await openLink({
    ...annSelf,
    role: "out",
    stream: await dial({ signal }),
    expectedPeer: makeSigner(2).publicKey,
    redial: dial,
    signal,
  })
  const bob = await bobs[0]!
  return { ann, bob: bob!, acceptor, pipe: () => ends }
}

/** Takes the first element; the iteration goes on being possible. */
export async function first<T>(items: AsyncIterable<T>): Promise<T> {
  const result = await items[Symbol.asyncIterator]().next()
  if (result.done === true) throw new Error("Cannot take: nothing came, expected one")
  return result.value
}

/** Reads to the end. */
export async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}
