/**
 * Making a torrent of a folder: how near it comes to what the disk and the hashes allow, what memory it takes, and whether the event
 * loop stays free.
 *
 * The bound is the same threads reading the same bytes and hashing them with SHA-1 and SHA-256, with nothing else to do:
 * one thread for each hash. `HASH_MIB=10240` is the size that was asked for; a folder that fits in memory is read from there.
 *
 * @module
 */
import { randomFillSync } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, open, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Worker } from "node:worker_threads"
import { type DiskRoom, openDiskRoom } from "../plugins/files/disk/disk-room.ts"
import { makeShare } from "../plugins/files/disk/make-share.ts"
import { recheck } from "../plugins/files/disk/recheck.ts"
import { ShareStore } from "../plugins/files/disk/share-store.ts"
import { surveyShare } from "../plugins/files/disk/survey.ts"
import { Scope } from "../src/base/scope.ts"
import { alternate, type Bench, type Figure, figure, ratios } from "./figure.ts"

const MIB = 1_048_576
const SIZE_MIB = Number(process.env.HASH_MIB ?? 512)
const FILES = 20
const ROUNDS = 5
const CALL = { signal: new AbortController().signal }

/** Reads files one after the other and hashes each. */
const BARE = `
const { createHash } = require("node:crypto")
const { openSync, readSync, closeSync } = require("node:fs")
const { parentPort, workerData } = require("node:worker_threads")
const buffer = Buffer.allocUnsafeSlow(262144)
parentPort.on("message", () => {
  for (const path of workerData.paths) {
    const hash = createHash(workerData.algorithm)
    const file = openSync(path)
    for (let count; (count = readSync(file, buffer)) > 0;) hash.update(buffer.subarray(0, count))
    closeSync(file)
    hash.digest()
  }
  parentPort.postMessage("done")
})
`

export const bench: Bench = {
  title: `hashing a folder of ${SIZE_MIB} MiB in ${FILES} files, with SHA-1 and SHA-256`,
  run: measure,
}

async function measure(): Promise<Figure[]> {
  await using scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  scope.defer(() => rm(folder, { recursive: true }))
  const paths = await fill(folder)
  const room = openDiskRoom()
  scope.defer(async () => room[Symbol.asyncDispose]())
  const make = await share(room, folder)
  const bare = [await openBare("sha1", paths, scope), await openBare("sha256", paths, scope)]
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const idle = monitorEventLoopDelay({ resolution: 1 })
  let rssMax = 0
  const watch = setInterval(() => {
    rssMax = Math.max(rssMax, process.memoryUsage.rss())
  }, 20)
  scope.defer(() => clearInterval(watch))
  const before = process.memoryUsage.rss()
  const speeds = await alternate(ROUNDS, {
    ours: () => speed(() => watched(delay, () => share(room, folder))),
    again: () => speed(() => watched(delay, () => check(room, make))),
    bound: () => speed(() => watched(idle, () => Promise.all(bare.map((go) => go())))),
  })
  return [
    figure("making a torrent", speeds.ours, "MiB/s"),
    figure("checking it again (SHA-1 alone)", speeds.again, "MiB/s"),
    figure("bare threads, SHA-1 and SHA-256", speeds.bound, "MiB/s"),
    figure("making, in times of bare threads", ratios(speeds.ours, speeds.bound), "", {
      least: 0.8,
    }),
    figure("event loop delay, p99", [p99(delay)], "ms"),
    figure("the same while it only waits for bare threads", [p99(idle)], "ms"),
    figure("event loop delay that is ours", [Math.max(0, p99(delay) - p99(idle))], "ms", {
      most: 20,
    }),
    figure("memory (RSS) more than before", [(rssMax - before) / MIB], "MiB", { most: 64 }),
  ]
}

async function fill(folder: string): Promise<string[]> {
  const bytes = randomFillSync(Buffer.alloc(MIB))
  const paths: string[] = []
  for (let index = 0; index < FILES; index++) {
    paths.push(join(folder, `file ${index}`))
    await using scope = new Scope()
    const file = await open(paths.at(-1)!, "w")
    scope.defer(() => file.close())
    for (let written = 0; written < SIZE_MIB / FILES; written++) await file.write(bytes)
  }
  return paths
}

async function share(room: DiskRoom, folder: string) {
  const survey = await surveyShare(room.disk, folder, CALL)
  return makeShare({ room, survey, ...CALL })
}

async function check(room: DiskRoom, made: Awaited<ReturnType<typeof share>>): Promise<void> {
  const right = await recheck(new ShareStore({ room, ...made }), CALL)
  if (!right.isFull) throw new Error("Pieces are wrong")
}

function p99(delay: ReturnType<typeof monitorEventLoopDelay>): number {
  return delay.percentile(99) / 1e6
}

async function watched(
  delay: ReturnType<typeof monitorEventLoopDelay>,
  deed: () => Promise<unknown>,
): Promise<void> {
  delay.enable()
  await deed()
  delay.disable()
}

/** A thread that hashes all files each time it is asked. */
async function openBare(algorithm: string, paths: readonly string[], scope: Scope) {
  const worker = new Worker(BARE, { eval: true, workerData: { algorithm, paths }, execArgv: [] })
  scope.defer(() => worker.terminate())
  await once(worker, "online")
  return () => {
    worker.postMessage("go")
    return once(worker, "message")
  }
}

/** MiB each second. */
async function speed(deed: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await deed()
  return (SIZE_MIB * 1_000) / (performance.now() - startMs)
}
