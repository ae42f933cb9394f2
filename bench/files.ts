/**
 * A file to a contact against one bare SAM stream through the same bridge: on one lane, and on as many as help.
 *
 * Each stream of the network carries so much and no more, as inside I2P; all of Allium is in this process, hashing and sealing included.
 *
 * @module
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bootOfMachine } from "../plugins/files/boot.ts"
import { machineDisk } from "../plugins/files/disk/disk.ts"
import { makeFiles } from "../plugins/files/index.ts"
import type { TransferDocument } from "../plugins/files/offers.ts"
import { systemRandom } from "../src/base/random.ts"
import { Scope } from "../src/base/scope.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../src/bridge/index.ts"
import { createRouter, type Router } from "../src/router/router.ts"
import { openSupervisedSession } from "../src/sam/index.ts"
import { carryOnce, MIB } from "./carry.ts"
import { type Bench, type Figure, figure } from "./figure.ts"

/** What one stream carries. */
const BYTES_PER_SECOND = 1_000_000
const LATENCY_MS = 20
const PATIENCE_MS = 300_000

/** How much is measured. */
export interface FilesSize {
  /** On one stream. */
  readonly mebibytes: number
  /** On several: long enough that most of it has them. */
  readonly manyMebibytes: number
}

export const bench: Bench = {
  title: "a file to a contact against one bare stream of 1 MB/s",
  run: () => measureFiles({ mebibytes: 32, manyMebibytes: 128 }),
}

/** Measures. */
export async function measureFiles({ mebibytes, manyMebibytes }: FilesSize): Promise<Figure[]> {
  await using scope = new Scope()
  const knobs = { bandwidthBytesPerSecond: BYTES_PER_SECOND, latencyMs: LATENCY_MS }
  const bridge = scope.use(await openEmbeddedBridge({ knobs }))
  const bare = await measureBare(bridge, mebibytes, scope)
  const one = await measureSend(bridge, { mebibytes, lanesMax: 1 })
  const many = await measureSend(bridge, { mebibytes: manyMebibytes, lanesMax: 8 })
  return [
    figure("one bare stream", [bare], "MiB/s"),
    figure("to a contact, one lane", [one], "MiB/s"),
    figure("to a contact, up to eight lanes", [many], "MiB/s"),
    figure("one lane to one bare stream", [one / bare], "", { least: 0.95 }),
    figure("several lanes to one bare stream", [many / bare], "", { least: 2 }),
  ]
}

async function measureBare(bridge: EmbeddedBridge, mebibytes: number, scope: Scope) {
  const call = { signal: AbortSignal.timeout(PATIENCE_MS) }
  const open = async () => {
    const session = scope.use(openSupervisedSession({ bridge: bridge.address, keys: "transient" }))
    await session.ready(call)
    return session
  }
  const [near, far] = [await open(), await open()]
  const meet = async () => {
    const [{ value: to }, from] = await Promise.all([
      far.incoming[Symbol.asyncIterator]().next(),
      near.connect(far.destination.base64, call),
    ])
    return { from, to }
  }
  return (await carryOnce(meet, mebibytes * MIB)).mebibytesPerSecond
}

/** From the yes until all is here, verified, under its name. */
async function measureSend(
  bridge: EmbeddedBridge,
  { mebibytes, lanesMax }: { mebibytes: number; lanesMax: number },
): Promise<number> {
  await using scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const open = async (name: string) => {
    const plugins = [makeFiles({ disk: machineDisk, boot: bootOfMachine, lanesMax })]
    const network = { choice: "embedded", sam: bridge.address } as const
    const router = await createRouter({ home: join(folder, name), network, plugins, tunnels: [] })
    scope.use(router)
    await ask(router, "identity create", { name })
    return router
  }
  const [ann, bob] = [await open("ann"), await open("bob")]
  const { uri } = await ask<{ uri: string }>(bob, "contact card", {})
  await ask(ann, "contact add", { uri, name: "bob" })
  await until(bob, "contact list", (list: { state: string }[]) => list[0]?.state === "asking")
  const [asking] = await ask<{ name: string; key: string }[]>(bob, "contact list", {})
  await ask(bob, "contact accept", { contact: asking!.key })
  await until(ann, "contact list", (list: { state: string }[]) => list[0]?.state === "accepted")
  const path = join(folder, "file.bin")
  await writeFile(path, systemRandom(65_536))
  const block = systemRandom(MIB)
  await writeFile(path, Buffer.concat(Array.from({ length: mebibytes }, () => block)))
  const { id } = await ask<TransferDocument>(ann, "file send", { contact: "bob", path })
  await until(bob, "file list", (list: TransferDocument[]) => list[0]?.id === id)
  const startMs = performance.now()
  await ask(bob, "file accept", { id, wait: true })
  return mebibytes / ((performance.now() - startMs) / 1_000)
}

async function ask<T = unknown>(router: Router, verb: string, input: object): Promise<T> {
  const call = { signal: AbortSignal.timeout(PATIENCE_MS), progress() {} }
  const answer = await router.offers.run(verb, { ...input }, call)
  return ("document" in answer ? answer.document : answer.documents) as T
}

async function until<T>(router: Router, verb: string, isSo: (answer: T) => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  while (!isSo(await ask<T>(router, verb, {}))) {
    if (performance.now() > endMs) throw new Error(`Cannot measure: ${verb} is not as expected`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
