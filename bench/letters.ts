/**
 * From `message send` at one router until it is on disk at another, over a link that stands, against an echo on a bare SAM
 * stream between two sessions of the same bridges.
 *
 * On the embedded network, or inside `npm run testnet -- npm run bench letters` on real i2pd.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { messages } from "../plugins/messages/index.ts"
import { Scope } from "../src/base/scope.ts"
import { openEmbeddedBridge } from "../src/bridge/index.ts"
import { createRouter, type Router } from "../src/router/router.ts"
import { openSupervisedSession, type SamStream, type Session } from "../src/sam/index.ts"
import { readBytes } from "./carry.ts"
import { alternate, type Bench, type Figure, figure, median } from "./figure.ts"

/** Sessions, LeaseSets and links of real routers. */
const PATIENCE_MS = 600_000
/** As much as a frame with an envelope. */
const ECHO_BYTES = 4_352
/** Between two letters: no acknowledgement of one goes with the next. */
const PAUSE_MS = 30

/** How much is measured. */
export interface LettersSize {
  readonly rounds: number
  /** Of the embedded network: round trips, milliseconds. */
  readonly roundTripsMs: readonly number[]
}

export const bench: Bench = {
  title: "a message from `message send` to the other side's disk, against an echo on a bare stream",
  run: () => measureLetters({ rounds: 40, roundTripsMs: [0, 100] }),
}

/** Measures on real routers if there are any, else on the embedded network. */
export async function measureLetters({ rounds, roundTripsMs }: LettersSize): Promise<Figure[]> {
  const [near, far] = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean)
  if (near !== undefined && far !== undefined) {
    await using meeting = await openMeeting("sam", Number(near), Number(far))
    return await compare(meeting, rounds, "real i2pd")
  }
  await using bridge = await openEmbeddedBridge()
  const { port } = bridge.address
  await using meeting = await openMeeting("embedded", port, port)
  const figures: Figure[] = []
  for (const roundTripMs of roundTripsMs) {
    bridge.knobs.latencyMs = roundTripMs / 2
    const where = `round trip ${roundTripMs} ms`
    // Without a round trip there is nothing to compare: that figure is our own work, three durable commits among it.
    figures.push(...(await compare(meeting, rounds, where, roundTripMs > 0)))
  }
  return figures
}

/** Each letter beside an echo, in turn. */
async function compare(
  meeting: Meeting,
  rounds: number,
  where: string,
  hasGoal = true,
): Promise<Figure[]> {
  const contenders = { letter: () => meeting.letter(), echo: () => meeting.echo() }
  await alternate(5, contenders)
  const { letter, echo } = await alternate(rounds, contenders)
  return [
    figure(`${where}: echo`, echo, "ms"),
    figure(
      `${where}: message, until it is there`,
      letter,
      "ms",
      hasGoal ? { most: Math.round(median(echo)) + 10 } : undefined,
    ),
  ]
}

interface Meeting extends AsyncDisposable {
  letter(): Promise<number>
  echo(): Promise<number>
}

async function openMeeting(
  choice: "sam" | "embedded",
  nearPort: number,
  farPort: number,
): Promise<Meeting> {
  await using opening = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  opening.defer(() => rm(folder, { recursive: true, force: true }))
  const open = async (name: string, port: number) => {
    const network = { choice, sam: { host: "127.0.0.1", port } } as const
    const home = join(folder, name)
    const router = await createRouter({ home, network, plugins: [messages], tunnels: [] })
    await ask(opening.use(router), "identity create", { name })
    return router
  }
  const [ann, bob] = await Promise.all([open("ann", nearPort), open("bob", farPort)])
  await befriend(ann, bob)
  const echo = await openEcho(opening, nearPort, farPort)
  const owned = opening.move()
  return { letter: () => sendOne(ann, bob), echo, [Symbol.asyncDispose]: () => owned.close() }
}

async function ask<T>(router: Router, verb: string, input: Record<string, unknown>): Promise<T> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const answer = await router.offers.run(verb, input, { signal, progress() {} })
  return ("document" in answer ? answer.document : undefined) as T
}

/** They are contacts, and a message has gone each way: what follows finds a session and an open channel. */
async function befriend(ann: Router, bob: Router): Promise<void> {
  const { uri } = await ask<{ uri: string }>(bob, "contact card", {})
  await ask(ann, "contact add", { uri, name: "bob", as: "ann" })
  const knows = async (who: Router, state: string) => {
    const list = () => ask<{ state: string }[]>(who, "contact list", {})
    while ((await list())[0]?.state !== state) await sleep(200)
  }
  await knows(bob, "asking")
  await ask(bob, "contact accept", { contact: "ann" })
  await knows(ann, "accepted")
  await ask(ann, "message send", { contact: "bob", text: "hello", wait: true })
  await ask(bob, "message send", { contact: "ann", text: "hello", wait: true })
}

/** @returns Milliseconds from the asking until the event that follows the commit at the other side. */
async function sendOne(ann: Router, bob: Router): Promise<number> {
  await sleep(PAUSE_MS)
  const there = new AbortController()
  const heard = hear(bob, "messages.received", there.signal)
  const startMs = performance.now()
  await ask(ann, "message send", { contact: "bob", text: "as long as many messages are" })
  const tookMs = (await heard) - startMs
  there.abort()
  return tookMs
}

/** Resolves when such an event comes. @returns When it did, by the monotonic clock. */
async function hear(router: Router, name: string, signal: AbortSignal): Promise<number> {
  for await (const _ of router.events.subscribe({ names: [name] }, { signal }))
    return performance.now()
  throw new Error("Cannot measure: nothing came")
}

/** @returns Carries as many bytes as an envelope takes there and back, on a bare stream that stands. */
async function openEcho(
  scope: Scope,
  nearPort: number,
  farPort: number,
): Promise<() => Promise<number>> {
  const call = { signal: AbortSignal.timeout(PATIENCE_MS) }
  const open = (port: number) =>
    scope.use(openSupervisedSession({ bridge: { host: "127.0.0.1", port }, keys: "transient" }))
  const [near, far] = [open(nearPort), open(farPort)]
  await Promise.all([near.ready(call), far.ready(call)])
  void answerAll(far)
  const stream = await dial(near, far)
  scope.defer(() => void stream.destroy())
  return async () => {
    await sleep(PAUSE_MS)
    return echoOnce(stream, call)
  }
}

async function answerAll(far: Session): Promise<void> {
  for await (const stream of far.incoming) stream.on("error", () => {}).pipe(stream)
}

/** Real routers say OK before anybody answers: a stream counts when an echo came. */
async function dial(near: Session, far: Session): Promise<SamStream> {
  const call = { signal: AbortSignal.timeout(PATIENCE_MS) }
  for (;;) {
    const stream = await near.connect(far.destination.b32, call).catch(() => undefined)
    stream?.on("error", () => {})
    const came = stream && echoOnce(stream, { signal: AbortSignal.timeout(10_000) })
    if (stream && (await came?.catch(() => undefined)) !== undefined) return stream
    stream?.destroy()
    call.signal.throwIfAborted()
    await sleep(1_000)
  }
}

async function echoOnce(stream: SamStream, call: { signal: AbortSignal }): Promise<number> {
  const startMs = performance.now()
  stream.write(Buffer.alloc(ECHO_BYTES, 7))
  await readBytes(stream, ECHO_BYTES, call)
  return performance.now() - startMs
}
