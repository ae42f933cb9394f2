/**
 * What memory and processor time the built program takes while a large file goes to a contact, and how fast it goes: two routers as processes, the
 * network in a third, or on real i2pd: `npm run testnet -- npm run bench files-memory`.
 *
 * Memory is `VmRSS` of each router, twice a second, from the offer until both know that it is whole. `FILE_MIB=1024` is the size that was asked for;
 * `NODE_FLAGS=--max-semi-space-size=4` starts Node with these.
 *
 * @module
 */
import { randomFillSync } from "node:crypto"
import { mkdtemp, open, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Scope } from "../src/base/scope.ts"
import { openEmbeddedBridge } from "../src/bridge/index.ts"
import { MIB } from "./carry.ts"
import { type Bench, type Figure, figure } from "./figure.ts"
import {
  BUILT,
  Program,
  processorMs,
  type Running,
  requireBuilt,
  residentMebibytes,
} from "./router.ts"

const SIZE_MIB = Number(process.env.FILE_MIB ?? 512)
const FLAGS = process.env.NODE_FLAGS?.split(" ") ?? []
const LOOK_MS = 500

export const bench: Bench = {
  title: `memory of two built routers while ${SIZE_MIB} MiB go to a contact`,
  async run() {
    await requireBuilt()
    return measureFilesMemory({ program: [...FLAGS, BUILT], mebibytes: SIZE_MIB })
  },
}

/** Measures. */
export async function measureFilesMemory(size: {
  /** Arguments of Node that start the program. */
  readonly program: readonly string[]
  readonly mebibytes: number
}): Promise<Figure[]> {
  await using scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const { kind, ports } = await openNetwork(scope)
  const [ann, bob] = ["ann", "bob"].map((name) => new Program(size.program, join(folder, name)))
  const [annRuns, bobRuns] = [await ann!.start(ports[0], kind), await bob!.start(ports[1], kind)]
  scope.use(annRuns)
  scope.use(bobRuns)
  await befriend(ann!, bob!)
  const path = join(folder, "file.bin")
  await fill(path, size.mebibytes)
  await ask(bob!, "file", "auto", "contact", "--below", "1TiB")
  const running = [annRuns, bobRuns]
  const each = (look: (processId: number) => Promise<number>) =>
    Promise.all(running.map(({ processId }) => look(processId)))
  const [idle, before] = [await each(residentMebibytes), await each(processorMs)]
  const startMs = performance.now()
  await ask(ann!, "file", "send", "bob", path)
  const most = await watch(ann!, running)
  const seconds = (performance.now() - startMs) / 1_000
  const cpu = (await each(processorMs)).map((ms, index) => (ms - before[index]!) / size.mebibytes)
  return [
    figure("from the offer until it is whole", [size.mebibytes / seconds], "MiB/s"),
    figure("processor time of who sends", [cpu[0]!], "ms/MiB"),
    figure("processor time of who receives", [cpu[1]!], "ms/MiB"),
    figure("memory of each before", idle, "MiB"),
    figure("memory of who sends, most", [most[0]!], "MiB", { most: 150 }),
    figure("memory of who receives, most", [most[1]!], "MiB", { most: 150 }),
  ]
}

interface Network {
  readonly kind: "sam" | "embedded"
  /** Of the SAM bridges of the two. */
  readonly ports: readonly [number, number]
}

/** Real i2pd where this runs inside `npm run testnet`. */
async function openNetwork(scope: Scope): Promise<Network> {
  const sam = process.env.ALLIUM_TESTNET_SAM_PORTS?.split(",").map(Number)
  if (sam?.[0] && sam[1]) return { kind: "sam", ports: [sam[0], sam[1]] }
  const { port } = scope.use(await openEmbeddedBridge({})).address
  return { kind: "embedded", ports: [port, port] }
}

/** @returns The most that each took until the transfer had ended. */
async function watch(ann: Program, running: readonly Running[]): Promise<number[]> {
  const most = running.map(() => 0)
  let isOver = false
  const over = (async () => {
    for (;;) {
      const [transfer] = await ask<{ state: string }[]>(ann, "file", "list")
      if (transfer?.state === "done") break
      if (transfer?.state === "failed") throw new Error("Cannot measure: the transfer failed")
      await sleep(4 * LOOK_MS)
    }
  })().finally(() => {
    isOver = true
  })
  while (!isOver) {
    for (const [index, one] of running.entries())
      most[index] = Math.max(most[index]!, await residentMebibytes(one.processId))
    await sleep(LOOK_MS)
  }
  await over
  return most
}

async function befriend(ann: Program, bob: Program): Promise<void> {
  await ask(ann, "identity", "create", "ann")
  await ask(bob, "identity", "create", "bob")
  const { uri } = await ask<{ uri: string }>(bob, "contact", "card")
  await ask(ann, "contact", "add", uri, "bob")
  const state = async (of: Program) =>
    (await ask<{ name: string; state: string }[]>(of, "contact", "list"))[0]?.state
  while ((await state(bob)) !== "asking") await sleep(LOOK_MS)
  await ask(bob, "contact", "accept", "contact")
  while ((await state(ann)) !== "accepted") await sleep(LOOK_MS)
}

async function ask<T = unknown>(program: Program, ...words: string[]): Promise<T> {
  return JSON.parse(await program.command(...words, "--json")) as T
}

async function fill(path: string, mebibytes: number): Promise<void> {
  await using file = await open(path, "w")
  const block = randomFillSync(Buffer.alloc(MIB))
  for (let count = 0; count < mebibytes; count++) await file.write(block)
}
