import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { copyFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openDiskRoom } from "../../plugins/files/disk/disk-room.ts"
import { makeShare } from "../../plugins/files/disk/make-share.ts"
import { openPartStore } from "../../plugins/files/disk/part-store.ts"
import { ShareStore } from "../../plugins/files/disk/share-store.ts"
import { surveyShare } from "../../plugins/files/disk/survey.ts"
import { openSwarm, type Swarm, type SwarmContent } from "../../plugins/files/swarm/index.ts"
import { Bitfield } from "../../plugins/files/torrent/bitfield.ts"
import { writeTorrent } from "../../plugins/files/torrent/metainfo-write.ts"
import { systemClock } from "../../src/base/clock.ts"
import { silentLog } from "../../src/base/log.ts"
import { Scope } from "../../src/base/scope.ts"
import { foreign, lacks } from "../support/foreign-programs.ts"
import { eventually, hashOf } from "../support/story.ts"

const FILE_BYTES = 5_000_001
const PATIENCE_MS = 90_000
const { signal } = new AbortController()

/** It speaks with whom we dial to it, over loopback, and with nobody else. */
const SETTINGS = {
  ...{ "dht-enabled": false, "lpd-enabled": false, "utp-enabled": false, "pex-enabled": false },
  ...{ "port-forwarding-enabled": false, "rpc-enabled": false, "blocklist-enabled": false },
  ...{ "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1", encryption: 0 },
}

describe.skipIf(lacks("transmission-cli"))("Transmission and our engine", () => {
  let scope: Scope
  let folder: string
  beforeEach(async () => {
    scope = new Scope()
    folder = await realpath(await mkdtemp(join(tmpdir(), "allium-transmission-")))
    scope.defer(() => rm(folder, { recursive: true, force: true }))
  })
  afterEach(() => scope.close())

  /** A file, and its torrent without any tracker. */
  async function makeOne() {
    const path = join(folder, "shared.bin")
    await writeFile(path, randomBytes(FILE_BYTES))
    const room = scope.use(openDiskRoom())
    const survey = await surveyShare(room.disk, path, { signal })
    const { metainfo, paths } = await makeShare({ room, survey, signal })
    const torrent = join(folder, "shared.torrent")
    await writeFile(torrent, writeTorrent(metainfo.info, { tiers: [] }))
    return { path, paths, room, metainfo, torrent }
  }
  type Made = Awaited<ReturnType<typeof makeOne>>

  function openOurs({ metainfo }: Made, content: SwarmContent): Swarm {
    return scope.use(
      openSwarm({
        ...{ infohash: metainfo.infohash, metainfo, clock: systemClock, log: silentLog },
        ...{ chance: Math.random, open: async () => content, save: async () => {} },
      }),
    )
  }

  /** Transmission with this torrent. @returns A stream to it. */
  async function startTransmission(torrent: string, into: string): Promise<Socket> {
    const [home, port] = [join(folder, "config"), await freePort()]
    await mkdir(home)
    await writeFile(join(home, "settings.json"), JSON.stringify(SETTINGS))
    const words = ["-g", home, "-w", into, "-p", String(port), "-M", "-et", "-v", torrent]
    const child = spawn(foreign("transmission-cli"), words, { stdio: "ignore" })
    scope.defer(() => end(child))
    for (;;) {
      const socket = await dial(port)
      if (socket !== undefined) return socket
      if (child.exitCode !== null) throw new Error("transmission-cli ended")
      await sleep(100)
    }
  }

  it("downloads from us what we share", async () => {
    const made = await makeOne()
    const store = new ShareStore({ ...made })
    const have = Bitfield.full(made.metainfo.geometry.pieceCount)
    const ours = openOurs(made, { store, progress: { have, partial: new Map() } })
    const into = join(folder, "theirs")
    await mkdir(into)
    const stream = await startTransmission(made.torrent, into)
    const over = ours.join(stream, { name: "transmission", outgoing: true })
    const theirs = join(into, "shared.bin")
    const expected = await hashOf(made.path)
    await eventually(
      () => Promise.race([hashOf(theirs).catch(() => ""), over.then((why) => `left: ${why}`)]),
      (found) => found === expected || found.startsWith("left"),
      PATIENCE_MS,
    )
    expect(await hashOf(theirs)).toBe(expected)
    await store[Symbol.asyncDispose]()
  })

  it("gives us what it has", async () => {
    const made = await makeOne()
    const [theirs, into] = [join(folder, "theirs"), join(folder, "ours")]
    await Promise.all([mkdir(theirs), mkdir(into)])
    await copyFile(made.path, join(theirs, "shared.bin"))
    const { room, metainfo } = made
    const store = await openPartStore({ room, metainfo, folder: into, id: "transmission" })
    const ours = openOurs(made, { store })
    const whole = new Promise<void>((resolve) => {
      ours.on(({ kind }) => kind === "finished" && resolve())
    })
    const stream = await startTransmission(made.torrent, theirs)
    void ours.join(stream, { name: "transmission", outgoing: true })
    await whole
    const [placed = ""] = await store.finish()
    expect(await hashOf(placed)).toBe(await hashOf(made.path))
    await store.discard()
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, "close")
  return port
}

/** Nothing when nobody listens there yet. */
async function dial(port: number): Promise<Socket | undefined> {
  const socket = connect({ port, host: "127.0.0.1" })
  try {
    await once(socket, "connect")
    return socket
  } catch {
    return undefined
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, "exit")
  child.kill("SIGKILL")
  await gone
}
