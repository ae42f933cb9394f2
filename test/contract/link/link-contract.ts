/**
 * What a link promises, whatever carries it: memory, the embedded network with its faults on, real i2pd.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { setTimeout as wait } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { isAlliumError } from "../../../src/base/errors.ts"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { LinkAcceptor } from "../../../src/link/acceptor.ts"
import type { LinkStream } from "../../../src/link/exchange.ts"
import type { LinkLimits } from "../../../src/link/limits.ts"
import type { Channel, Link } from "../../../src/link/link.ts"
import { type LinkSelf, openLink } from "../../../src/link/open-link.ts"
import type { Destination } from "../../../src/sam/destination.ts"
import { first, makeSigner, readAll, sha256 } from "../../unit/link/support.ts"

/** Two ends of something that carries streams. */
export interface Road extends AsyncDisposable {
  readonly ann: Destination
  readonly bob: Destination
  /** Ann dials Bob. */
  dial(call: { signal: AbortSignal }): Promise<LinkStream>
  /** Streams that reach Bob. */
  readonly incoming: AsyncIterable<LinkStream>
  /** Breaks the streams that are open now. */
  cut(): void
}

/** How the suite runs on a road. */
export interface LinkContractOptions {
  readonly openRoad: () => Promise<Road>
  /** How much goes to a reader that pauses; the issue asks for 40 MB. */
  readonly bulkBytes: number
  /** How long it pauses; the issue asks for 40 s. */
  readonly pauseMs: number
  readonly timeoutMs: number
  readonly limits?: Partial<LinkLimits>
}

/** While a reader pauses, a writer may be ahead by its window and what the two streams hold. */
const AHEAD_BYTES_MAX = 1_048_576
/** Growth of the whole process, both ends in it, while 40 MB pass. */
const GROWTH_BYTES_MAX = 32 * 1_048_576

/** Runs the suite. */
export function describeLink(name: string, options: LinkContractOptions): void {
  describe(`a link over ${name}`, { timeout: options.timeoutMs }, () => {
    const { signal } = new AbortController()
    let road: Road
    let acceptor: LinkAcceptor
    let ann: Link
    let bob: Link
    beforeAll(async () => {
      road = await options.openRoad()
      acceptor = new LinkAcceptor(selfOf(2, road.bob, options.limits))
      const links = acceptAll(acceptor, road.incoming)
      ann = await dialPatiently(road, selfOf(1, road.ann, options.limits), options.timeoutMs)
      await waitFor(() => links.length > 0)
      bob = links[0]!
    }, options.timeoutMs)
    afterAll(async () => {
      await ann?.[Symbol.asyncDispose]()
      await acceptor?.[Symbol.asyncDispose]()
      await road?.[Symbol.asyncDispose]()
    }, 60_000)

    async function openChannel(from = ann, to = bob): Promise<[Channel, Channel]> {
      const near = from.open("/contract/1", { signal })
      return [near, await first(to.incoming)]
    }

    it("proves both ends to each other", () => {
      expect(ann.peer.identityKey).toEqual(makeSigner(2).publicKey)
      expect(bob.peer.identityKey).toEqual(makeSigner(1).publicKey)
      expect(bob.peer.destination.base64).toBe(road.ann.base64)
    })

    it("lets each direction end by itself", async () => {
      const [near, far] = await openChannel()
      near.end("question")
      expect(String(await readAll(far))).toBe("question")
      await near.delivered
      far.end("answer")
      expect(String(await readAll(near))).toBe("answer")
      await far.delivered
    })

    it("carries channels of both sides at once", async () => {
      const pairs = [await openChannel(), await openChannel(bob, ann), await openChannel()]
      await Promise.all(
        pairs.map(async ([near, far], index) => {
          near.end(Buffer.alloc(300_000, index))
          far.end(Buffer.alloc(200_000, 100 + index))
          const [there, back] = await Promise.all([readAll(far), readAll(near)])
          expect(there.equals(Buffer.alloc(300_000, index))).toBe(true)
          expect(back.equals(Buffer.alloc(200_000, 100 + index))).toBe(true)
          await Promise.all([near.delivered, far.delivered])
        }),
      )
    })

    it(`brings ${options.bulkBytes} bytes whole to a reader that pauses ${options.pauseMs} ms, with bounded memory`, async () => {
      const before = memory()
      const [near, far] = await openChannel()
      const source = bulk(options.bulkBytes)
      const sent = pipeline(source.stream, near)
      const hash = createHash("sha256")
      let bytes = 0
      far.on("data", (chunk: Buffer) => {
        bytes += chunk.length
        hash.update(chunk)
      })
      await waitFor(() => bytes > options.bulkBytes / 10)
      far.pause()
      await wait(options.pauseMs)
      expect(bytes).toBeLessThan(options.bulkBytes / 2)
      expect(source.taken() - bytes).toBeLessThan(AHEAD_BYTES_MAX)
      expect(memory() - before).toBeLessThan(GROWTH_BYTES_MAX)
      far.resume()
      await sent
      far.end()
      near.resume()
      await near.delivered
      expect(bytes).toBe(options.bulkBytes)
      expect(hash.digest("hex")).toBe(source.digest())
    })

    it("loses no tail when the writer closes the link at once", async () => {
      const other = await dialPatiently(
        road,
        selfOf(1, road.ann, options.limits),
        options.timeoutMs,
      )
      const taken = await newest(acceptor)
      const channel = other.open("/contract/1", { signal })
      channel.end(Buffer.alloc(200_000, 7))
      const closing = other[Symbol.asyncDispose]()
      const far = await first(taken.incoming)
      await wait(100)
      expect((await readAll(far)).length).toBe(200_000)
      far.end()
      channel.resume()
      await channel.delivered
      await closing
      expect(await taken.closed).toBeUndefined()
    })

    it("goes on over a new stream when the stream is cut, again and again", async () => {
      const [near, far] = await openChannel()
      const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251))
      near.end(bytes)
      const read = readAll(far)
      for (let cuts = 0; cuts < 3; cuts++) {
        await wait(50)
        road.cut()
      }
      far.end("thanks")
      expect(sha256(await read)).toBe(sha256(bytes))
      expect(String(await readAll(near))).toBe("thanks")
      await Promise.all([near.delivered, far.delivered])
    })
  })
}

function selfOf(
  byte: number,
  destination: Destination,
  limits: Partial<LinkLimits> = {},
): LinkSelf {
  const identity = makeSigner(byte)
  return { identity, destination, limits, clock: systemClock, random: systemRandom, log: silentLog }
}

/** The links an acceptor made, newest last. */
const accepted = new WeakMap<LinkAcceptor, Link[]>()

/** Accepts whatever comes, into the list it gives back. */
function acceptAll(acceptor: LinkAcceptor, incoming: AsyncIterable<LinkStream>): Link[] {
  const links: Link[] = []
  accepted.set(acceptor, links)
  const take = async () => {
    for await (const stream of incoming)
      void acceptor.accept(stream).then(
        (link) => link && links.push(link),
        () => {}, // A stream that broke in the handshake: its caller tries again.
      )
  }
  void take()
  return links
}

async function newest(acceptor: LinkAcceptor): Promise<Link> {
  const links = accepted.get(acceptor)!
  await waitFor(() => links.length > 1)
  return links.at(-1)!
}

/** A LeaseSet may not be found yet, or OK may mean nothing: dial again, and say why in the end. */
async function dialPatiently(road: Road, self: LinkSelf, timeoutMs: number): Promise<Link> {
  const endMs = Date.now() + timeoutMs - 5_000
  const failures: string[] = []
  while (Date.now() < endMs) {
    try {
      return await dialOnce(road, self)
    } catch (error) {
      if (!isAlliumError(error)) throw error
      failures.push(error.code)
      await wait(1_000)
    }
  }
  throw new Error(`Cannot dial: ${failures.join(", ")}`)
}

async function dialOnce(road: Road, self: LinkSelf): Promise<Link> {
  const signal = AbortSignal.timeout(DIAL_MS)
  const stream = await road.dial({ signal })
  const redial = (call: { signal: AbortSignal }) => road.dial(call)
  const expectedPeer = makeSigner(2).publicKey
  return openLink({ ...self, stream, role: "out", expectedPeer, redial, signal })
}
/** Long enough for a slow tunnel, short enough to try again. */
const DIAL_MS = 30_000

/** Bytes made as they are asked for, and their hash. */
function bulk(byteCount: number) {
  const hash = createHash("sha256")
  let taken = 0
  function* make() {
    while (taken < byteCount) {
      const chunk = Buffer.alloc(Math.min(BULK_CHUNK_BYTES, byteCount - taken), (taken / 7) % 251)
      taken += chunk.length
      hash.update(chunk)
      yield chunk
    }
  }
  const stream = Readable.from(make(), { objectMode: true, highWaterMark: 1 })
  return { stream, taken: () => taken, digest: () => hash.digest("hex") }
}
/** No multiple of anything in the protocol. */
const BULK_CHUNK_BYTES = 50_021

/** Bytes in use, garbage collected. */
function memory(): number {
  setFlagsFromString("--expose-gc")
  ;(runInNewContext("gc") as () => void)()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function waitFor(holds: () => boolean, withinMs = 120_000): Promise<void> {
  const endMs = Date.now() + withinMs
  while (!holds()) {
    if (Date.now() > endMs) throw new Error("Cannot go on: waited in vain")
    await wait(5)
  }
}
