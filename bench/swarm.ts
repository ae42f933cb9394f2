/**
 * A swarm of two processes against plain `pipe()` from file to file, over the same kinds of stream in the same run.
 *
 * Run: `npm run bench swarm`
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash, randomFillSync } from "node:crypto"
import { once } from "node:events"
import { createWriteStream } from "node:fs"
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { createInterface } from "node:readline"
import type { Duplex } from "node:stream"
import { pipeline } from "node:stream/promises"
import { type DiskRoom, openDiskRoom } from "../plugins/files/disk/disk-room.ts"
import { openPartStore } from "../plugins/files/disk/part-store.ts"
import { openSwarm } from "../plugins/files/swarm/index.ts"
import { readTorrent, type Torrent } from "../plugins/files/torrent/metainfo.ts"
import {
  choosePieceBytes,
  writeInfo,
  writeTorrent,
} from "../plugins/files/torrent/metainfo-write.ts"
import { systemClock } from "../src/base/clock.ts"
import { silentLog } from "../src/base/log.ts"
import { Scope } from "../src/base/scope.ts"
import { openSupervisedSession, type Session } from "../src/sam/index.ts"
import { MIB } from "./carry.ts"
import { alternate, type Bench, type Figure, figure, ratios } from "./figure.ts"

/** How much is measured. */
export interface SwarmSize {
  readonly rounds: number
  readonly mebibytes: number
  /** Over a way of 300 ms there and back. */
  readonly farMebibytes: number
}

export const bench: Bench = {
  title: "a file through a swarm of two processes against pipe()",
  run: () => measureSwarm({ rounds: 5, mebibytes: 512, farMebibytes: 12 }),
}

/** A way of I2P at its best: bytes a second, and milliseconds one way. */
const FAR = { rate: 600_000, latencyMs: 150 }
const call = { signal: new AbortController().signal }

/** Measures; goals are those of the files' room. */
export async function measureSwarm(size: SwarmSize): Promise<Figure[]> {
  await using scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  scope.defer(() => rm(folder, { recursive: true }))
  const room = scope.use(openDiskRoom())
  const near = { scope, folder, room }
  const big = await openFar(near, size.mebibytes)
  const small = await openFar(near, size.farMebibytes)
  return [
    ...(await plain(near, big, size)),
    ...(await embedded(near, big, size)),
    ...(await far(near, small)),
  ]
}

interface Near {
  readonly scope: Scope
  readonly folder: string
  readonly room: DiskRoom
}

interface FarEnd {
  readonly torrent: Torrent
  readonly pipePort: number
  readonly swarmPort: number
  readonly bridgePort: number
  readonly pipeDestination: string
  readonly swarmDestination: string
  /** Says a line to it. @returns 99 of 100 turns of its event loop took at most so many ms; bytes in memory. */
  say(line: string): Promise<{ readonly p99: number; readonly rss: number }>
}

/** Over plain sockets. */
async function plain(near: Near, far: FarEnd, { rounds }: SwarmSize): Promise<Figure[]> {
  const loop = monitorEventLoopDelay({ resolution: 1 })
  const delays: number[] = []
  const contenders = {
    pipe: async () => take(near, far.torrent, await dial(far.pipePort)),
    swarm: async () => {
      await far.say("reset")
      loop.reset()
      loop.enable()
      const speed = await fetch(near, far.torrent, [await dial(far.swarmPort)])
      loop.disable()
      delays.push(Math.max(loop.percentile(99) / 1e6, (await far.say("report")).p99))
      return speed
    },
  }
  await alternate(1, contenders)
  delays.length = 0
  const { pipe, swarm } = await alternate(rounds, contenders)
  return [
    figure("loopback: pipe() from file to file", pipe, "MB/s"),
    figure("loopback: swarm", swarm, "MB/s"),
    figure("loopback: ratio", ratios(swarm, pipe), "", { least: 0.9 }),
    figure("event loop, 99 of 100 turns, slower end", delays, "ms", { most: 20 }),
    figure("memory of this end", [process.memoryUsage.rss() / MIB], "MiB"),
    figure("memory of the other end", [(await far.say("report")).rss / MIB], "MiB"),
  ]
}

/** Over the embedded network, which the far end hosts. */
async function embedded(near: Near, far: FarEnd, { rounds }: SwarmSize): Promise<Figure[]> {
  const session = await openSession(near, far)
  const contenders = {
    pipe: async () => take(near, far.torrent, await session.connect(far.pipeDestination, call)),
    swarm: async () =>
      fetch(near, far.torrent, [await session.connect(far.swarmDestination, call)]),
  }
  await alternate(1, contenders)
  const { pipe, swarm } = await alternate(rounds, contenders)
  return [
    figure("embedded network: pipe() from file to file", pipe, "MB/s"),
    figure("embedded network: swarm", swarm, "MB/s", { least: 200 }),
    figure("embedded network: ratio", ratios(swarm, pipe), ""),
  ]
}

/** Over the embedded network with a round trip of 300 ms and a rate. */
async function far(near: Near, far: FarEnd): Promise<Figure[]> {
  await far.say(`latency ${FAR.latencyMs} ${FAR.rate}`)
  const session = await openSession(near, far)
  const open = (destination: string) => session.connect(destination, call)
  const pipe = await take(near, far.torrent, await open(far.pipeDestination))
  const swarm = await fetch(near, far.torrent, [await open(far.swarmDestination)])
  const foreign = await fetch(near, far.torrent, [await open(far.swarmDestination)], false)
  const one = 16_384 / (2 * FAR.latencyMs) / 1_000
  return [
    figure("300 ms: pipe() from file to file", [pipe], "MB/s"),
    figure("300 ms: swarm to pipe()", [swarm / pipe], "", { least: 0.9 }),
    figure("300 ms: the same from a peer not our own", [foreign / pipe], "", { least: 0.9 }),
    figure("300 ms: swarm to one request at a time", [swarm / one], "", { least: 3 }),
  ]
}

/** @returns MB/s until all bytes are in a file. */
async function take({ folder }: Near, { geometry }: Torrent, stream: Duplex): Promise<number> {
  const path = join(folder, "taken")
  const startedAt = performance.now()
  await pipeline(stream, createWriteStream(path))
  return geometry.size / (performance.now() - startedAt) / 1_000
}

/** @returns MB/s until all pieces are verified and in a file. */
async function fetch(
  { folder, room }: Near,
  torrent: Torrent,
  streams: readonly Duplex[],
  isOwn = true,
): Promise<number> {
  const target = await mkdtemp(join(folder, "fetched-"))
  await using store = await openPartStore({ room, metainfo: torrent, folder: target, id: "bench" })
  const startedAt = performance.now()
  let last = 0
  await using swarm = openSwarm({
    infohash: torrent.infohash,
    metainfo: torrent,
    open: async () => ({ store }),
    save: (progress) => writeFile(join(target, "progress"), progress.have.toBytes()),
    clock: systemClock,
    chance: Math.random,
    log: silentLog,
    lanes: streams.length,
  })
  await new Promise<void>((resolve) => {
    swarm.on(({ kind }) => {
      if (kind === "piece") last = performance.now()
      if (kind === "finished") resolve()
    })
    for (const stream of streams) void swarm.join(stream, { name: "far", outgoing: true, isOwn })
  })
  const seconds = (last - startedAt) / 1_000
  await store.finish()
  await rm(target, { recursive: true })
  return torrent.geometry.size / 1e6 / seconds
}

async function openFar({ scope, folder }: Near, mebibytes: number): Promise<FarEnd> {
  const [path, torrentPath] = [join(folder, `given-${mebibytes}`), join(folder, `t-${mebibytes}`)]
  await writeFile(torrentPath, writeTorrent(await makeFile(path, mebibytes * MIB)))
  const program = new URL("./swarm-end.ts", import.meta.url).pathname
  const all = ["--conditions=source", "--import", "tsx", program, path, torrentPath]
  const child: ChildProcess = spawn(process.execPath, all, { stdio: ["pipe", "pipe", "inherit"] })
  scope.defer(() => void child.kill("SIGKILL"))
  const lines = createInterface({ input: child.stdout! })
  const say = async (line: string) => {
    child.stdin!.write(`${line}\n`)
    return JSON.parse((await once(lines, "line"))[0])
  }
  const report = JSON.parse((await once(lines, "line"))[0])
  return { torrent: readTorrent(await readFile(torrentPath)), ...report, say }
}

/** @returns The info dictionary. */
async function makeFile(path: string, byteCount: number): Promise<Uint8Array> {
  const pieceBytes = choosePieceBytes(byteCount)
  const hashes: Buffer[] = []
  await using file = await open(path, "w")
  for (let at = 0; at < byteCount; at += pieceBytes) {
    const piece = randomFillSync(Buffer.alloc(Math.min(pieceBytes, byteCount - at)))
    hashes.push(createHash("sha1").update(piece).digest())
    await file.write(piece)
  }
  const pieceHashes = Buffer.concat(hashes)
  return writeInfo({ name: "given", content: byteCount, pieceBytes, pieceHashes })
}

async function openSession({ scope }: Near, { bridgePort }: FarEnd): Promise<Session> {
  const bridge = { host: "127.0.0.1", port: bridgePort }
  const session = scope.use(openSupervisedSession({ bridge, keys: "transient" }))
  await session.ready(call)
  return session
}

async function dial(port: number): Promise<Duplex> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true })
  await once(socket, "connect")
  return socket
}
