/**
 * A stream of `allium/sam` against a bare socket that does the same, on the same sessions of the same real
 * routers: what our client costs.
 *
 * Run: `npm run testnet -- npm run bench sam-stream`.
 *
 * How fast one I2P stream is varies far more than what is measured here (its congestion window begins anew), so
 * the two take turns, many times, and the processor time of this process is compared as well: the routers are
 * processes of their own, so that shows our part alone, whatever the network does.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import { type OpenedSession, openSession } from "../src/sam/index.ts"
import { acceptStream, connectStream } from "../src/sam/stream.ts"
import { acceptBare, connectBare } from "./bare-sam.ts"
import { type Call, type Carried, carryOnce, type Ends, MIB, readBytes } from "./carry.ts"
import { alternate, type Bench, type Figure, figure, ratios } from "./figure.ts"
import { connectForeign } from "./foreign-sam.ts"

/** Sessions on i2pd 2.45.1 stand after 20 or 40 s. */
const SESSION_MS = 180_000
/** A stream that says OK may be silent on i2pd; then it is dialled again. */
const GREETING_MS = 10_000
/** The foreign client opens a session for each stream. */
const FOREIGN_MS = 90_000
/** A new destination is found after up to 90 s. */
const TRIES_MAX = 30

/** How much is measured. */
export interface SamStreamSize {
  readonly pairs: number
  readonly mebibytes: number
  /**
   * Streams of the foreign client, each with a session of its own. Not on real routers: there its sessions take 20
   * or 40 s, and its streams stayed silent so often that a run did not end.
   */
  readonly foreign?: number
}

export const bench: Bench = {
  title: "stream of allium/sam against a bare socket, on real i2pd",
  unavailable: () =>
    portsOfTestnet().length < 2
      ? "needs real routers: npm run testnet -- npm run bench sam-stream"
      : undefined,
  async run() {
    const [near = 0, far = 0] = portsOfTestnet()
    return compareStreams(near, far, { pairs: 15, mebibytes: 16 }, { least: 0.97 })
  },
}

function portsOfTestnet(): number[] {
  return (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)
}

/** Compares on two bridges, or on one that is given twice. */
export async function compareStreams(
  nearPort: number,
  farPort: number,
  { pairs, mebibytes, foreign }: SamStreamSize,
  goal?: Figure["goal"],
): Promise<Figure[]> {
  const [near, far] = await Promise.all([nearPort, farPort].map(openAt))
  if (near === undefined || far === undefined) throw new Error("Cannot measure: no session")
  try {
    const ours = () => meet((call) => openOurs(near, far, call))
    const bare = () => meet((call) => openBare(near, far, call))
    for (const open of [ours, bare]) await carryOnce(open, MIB)
    const results = await alternate(pairs, {
      ours: () => carryOnce(ours, mebibytes * MIB),
      bare: () => carryOnce(bare, mebibytes * MIB),
    })
    if (foreign === undefined) return figuresOf(results, goal)
    const foreigner = () => meet((call) => openForeign(near, far, call), FOREIGN_MS)
    return [...figuresOf(results, goal), ...(await measureOpening(foreign, { ours, foreigner }))]
  } finally {
    await Promise.all([near, far].map((session) => session[Symbol.asyncDispose]()))
  }
}

function figuresOf(results: Record<"ours" | "bare", Carried[]>, goal: Figure["goal"]): Figure[] {
  const speed = (which: "ours" | "bare") => results[which].map((one) => one.mebibytesPerSecond)
  const cpu = (which: "ours" | "bare") => results[which].map((one) => one.cpuMsPerMebibyte)
  return [
    figure("bare socket", speed("bare"), "MiB/s"),
    figure("stream of allium/sam", speed("ours"), "MiB/s"),
    figure("ratio, pair by pair", ratios(speed("ours"), speed("bare")), "", goal),
    figure("bare socket, processor time", cpu("bare"), "ms/MiB"),
    figure("stream of allium/sam, processor time", cpu("ours"), "ms/MiB"),
    figure("ratio of processor time", ratios(cpu("ours"), cpu("bare")), ""),
  ]
}

/** From the wish for a stream until a byte has come back on it; the session of ours stands already. */
async function measureOpening(
  rounds: number,
  { ours, foreigner }: Record<"ours" | "foreigner", () => Promise<Ends>>,
): Promise<Figure[]> {
  const timed = (open: () => Promise<Ends>) => async () => {
    const startMs = performance.now()
    const ends = await open()
    const seconds = (performance.now() - startMs) / 1_000
    for (const end of [ends.to, ends.from]) end.destroy()
    return seconds
  }
  const results = await alternate(rounds, { ours: timed(ours), foreigner: timed(foreigner) })
  return [
    figure("stream of allium/sam, until it answers", results.ours, "s"),
    figure("stream of i2p-sam, until it answers", results.foreigner, "s"),
  ]
}

function openAt(port: number): Promise<OpenedSession> {
  const signal = AbortSignal.timeout(SESSION_MS)
  return openSession({ bridge: { host: "127.0.0.1", port }, keys: "transient", signal })
}

async function openOurs(near: OpenedSession, far: OpenedSession, call: Call): Promise<Ends> {
  const [to, from] = await Promise.all([
    acceptStream(far, call).then((stream) => ownedBy(stream, call)),
    connectStream(near, far.destination, call).then((stream) => ownedBy(stream, call)),
  ])
  return { from, to }
}

/** Ends with the try it was opened in. */
function ownedBy<T extends Duplex>(stream: T, { signal }: Call): T {
  signal.addEventListener("abort", () => stream.destroy(), { once: true })
  return stream
}

async function openBare(near: OpenedSession, far: OpenedSession, call: Call): Promise<Ends> {
  const { base64 } = far.destination
  const [to, from] = await Promise.all([
    acceptBare(far.context.bridge.port, far.id, call),
    connectBare(near.context.bridge.port, near.id, base64, call),
  ])
  return { from, to }
}

async function openForeign(near: OpenedSession, far: OpenedSession, call: Call): Promise<Ends> {
  const { base64 } = far.destination
  const [to, from] = await Promise.all([
    acceptStream(far, call).then((stream) => ownedBy(stream, call)),
    connectForeign(near.context.bridge.port, base64).then((stream) => ownedBy(stream, call)),
  ])
  return { from, to }
}

/** Opens until a byte has come through in each direction: OK alone means little. */
async function meet(open: (call: Call) => Promise<Ends>, patienceMs = GREETING_MS): Promise<Ends> {
  for (let tries = 1; ; tries++) {
    const gaveUp = new AbortController()
    const timer = setTimeout(() => gaveUp.abort(), patienceMs)
    try {
      const ends = await open(gaveUp)
      await greet(ends, gaveUp)
      return ends
    } catch (error) {
      gaveUp.abort()
      if (tries >= TRIES_MAX) throw error
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    } finally {
      clearTimeout(timer)
    }
  }
}

async function greet({ from, to }: Ends, call: Call): Promise<void> {
  from.write("?")
  await readBytes(to, 1, call)
  to.write("!")
  await readBytes(from, 1, call)
}
