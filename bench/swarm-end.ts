/**
 * The far end of `bench/swarm.ts`, in a process of its own: has a file, and gives it to whoever comes.
 *
 * `swarm-end.ts FILE TORRENT` prints as JSON: ports on loopback of a plain pipe and of a swarm, the port of an embedded network, and destinations
 * of both on it. Each line `latency MS RATE` on its input sets the network's knobs, `reset` and `report` watch its event loop.
 *
 * @module
 */
import { createReadStream, readFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { type AddressInfo, createServer } from "node:net"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { createInterface } from "node:readline"
import type { Duplex } from "node:stream"
import { openSwarm, SwarmRegistry } from "../plugins/files/swarm/index.ts"
import { Bitfield } from "../plugins/files/torrent/bitfield.ts"
import { readTorrent } from "../plugins/files/torrent/metainfo.ts"
import { systemClock } from "../src/base/clock.ts"
import { silentLog } from "../src/base/log.ts"
import { openEmbeddedBridge } from "../src/bridge/index.ts"
import { openSupervisedSession } from "../src/sam/index.ts"
import { fileStore } from "./swarm-store.ts"

const [path, torrentPath] = process.argv.slice(2) as [string, string]
const call = { signal: new AbortController().signal }
const metainfo = readTorrent(readFileSync(torrentPath))
const file = await open(path, "r")
const registry = new SwarmRegistry(systemClock)
registry.add(
  openSwarm({
    infohash: metainfo.infohash,
    metainfo,
    open: async () => ({
      store: fileStore(file, metainfo),
      progress: { have: Bitfield.full(metainfo.geometry.pieceCount), partial: new Map() },
    }),
    save: async () => {},
    clock: systemClock,
    chance: Math.random,
    log: silentLog,
    lanes: 8,
  }),
)

const giveFile = (stream: Duplex) => void createReadStream(path).pipe(stream.on("error", () => {}))
const giveSwarm = (stream: Duplex) => void registry.admit(stream, { name: "leech", isOwn: true })

function listen(give: (stream: Duplex) => void): Promise<number> {
  const server = createServer({ noDelay: true }, give)
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
  )
}

const bridge = await openEmbeddedBridge({})

async function accept(give: (stream: Duplex) => void): Promise<string> {
  const { host, port } = bridge.address
  const session = openSupervisedSession({ bridge: { host, port }, keys: "transient" })
  await session.ready(call)
  void (async () => {
    for await (const stream of session.incoming) give(stream)
  })()
  return session.destination.base64
}

const loop = monitorEventLoopDelay({ resolution: 1 })
loop.enable()
const report = {
  pipePort: await listen(giveFile),
  swarmPort: await listen(giveSwarm),
  bridgePort: bridge.address.port,
  pipeDestination: await accept(giveFile),
  swarmDestination: await accept(giveSwarm),
}
console.log(JSON.stringify(report))

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ms, rate] = line.split(" ")
  if (verb === "latency") {
    bridge.knobs.latencyMs = Number(ms)
    bridge.knobs.bandwidthBytesPerSecond = Number(rate)
  } else if (verb === "reset") loop.reset()
  console.log(JSON.stringify({ p99: loop.percentile(99) / 1e6, rss: process.memoryUsage.rss() }))
}
process.exit(0)
