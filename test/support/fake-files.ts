/** Two routers with the files plugin on a real disk and in real time, in a folder of their own that goes when the test ends. */
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeFiles } from "../../plugins/files/index.ts"
import {
  acceptOffer,
  autoOffer,
  listOffer,
  sendOffer,
  type TransferDocument,
} from "../../plugins/files/offers.ts"
import { systemClock } from "../../src/base/clock.ts"
import { seededChance } from "../../src/base/random.ts"
import { FakeDisk } from "./fake-disk.ts"
import { FakePair, type FakePeer } from "./fake-plugin-context.ts"

/** What should happen has happened by then, on a busy machine too. */
const PATIENCE_MS = 20_000

/** See the module. */
export class FakeFiles implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "files-"))
  readonly pair: FakePair
  readonly ann: FakePeer
  readonly bob: FakePeer
  /** The disk of each running process. */
  readonly disks = new Map<FakePeer, FakeDisk>()
  /** Done to each new disk. */
  prepare: (disk: FakeDisk, peer: FakePeer) => void = () => {}

  /** How long who accepted is waited for before the tower is used. */
  towerAfterMs: number | undefined
  /** Who crashes was killed, and its machine goes on: what it wrote is there. */
  areKilled = false
  /** Run of the machines: add one when they go down. */
  boot = 1
  #jumpedMs = 0

  constructor() {
    const left = join(this.folder, "ann")
    const right = join(this.folder, "bob")
    for (const folder of [left, right]) mkdirSync(folder)
    this.pair = new FakePair({ left: { folder: left }, right: { folder: right } })
    // Hashing threads and real disks take real time.
    const now = () => systemClock.now() + this.#jumpedMs
    Object.assign(this.pair.world.clock, { ...systemClock, now })
    this.ann = this.pair.left
    this.bob = this.pair.right
  }

  /** Somebody sets the wall clocks, forwards or back; no time passes. */
  jump(ms: number): void {
    this.#jumpedMs += ms
  }

  get world() {
    return this.pair.world
  }

  /** Starts one or both. */
  async start(...peers: FakePeer[]): Promise<void> {
    for (const peer of peers.length > 0 ? peers : [this.ann, this.bob]) {
      const disk = new FakeDisk(this.world)
      this.prepare(disk, peer)
      this.disks.set(peer, disk)
      peer.onEnd = () => disk.crash({ keepsUnsynced: this.areKilled })
      await peer.start(
        makeFiles({
          disk: disk.disk,
          boot: async () => `${this.boot}`,
          ...(this.towerAfterMs !== undefined && { towerAfterMs: this.towerAfterMs }),
        }),
      )
    }
  }

  /** A file of Ann's with content that is the same each time. */
  file(name: string, size: number, seed = 1): string {
    const path = join(this.folder, name)
    writeFileSync(path, noise(size, seed))
    return path
  }

  send(path: string, more: object = {}): Promise<TransferDocument> {
    return this.ann.run(sendOffer, { contact: "bob", path, ...more })
  }

  accept(id: string, more: object = {}): Promise<TransferDocument> {
    return this.bob.run(acceptOffer, { id, ...more })
  }

  /** Bob accepts whatever comes. */
  welcome(below: string | number = "8TiB"): Promise<unknown> {
    return this.bob.run(autoOffer, { contact: "ann", below })
  }

  list(peer: FakePeer): Promise<TransferDocument[]> {
    return peer.run(listOffer, {})
  }

  /** Waits until the transfer has this state there. */
  async until(
    peer: FakePeer,
    state: TransferDocument["state"],
    id?: string,
  ): Promise<TransferDocument> {
    let found: TransferDocument | undefined
    await this.eventually(async () => {
      if (!peer.life) return false
      found = (await this.list(peer)).find((one) => one.state === state && (!id || one.id === id))
      return found !== undefined
    })
    return found!
  }

  /** Waits until it is so. */
  async eventually(isSo: () => boolean | Promise<boolean>, mostMs = PATIENCE_MS): Promise<void> {
    const endMs = Date.now() + mostMs
    while (!(await isSo())) {
      if (Date.now() > endMs) throw new Error(`Not so after ${mostMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Names in Bob's folder of received files, hidden ones too. */
  received(): string[] {
    try {
      return readdirSync(join(this.bob.folder, "received")).sort()
    } catch {
      return []
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of [this.ann, this.bob]) await peer.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** SHA-256 of a file, in hexadecimal. */
export function sha256Of(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex")
}

/** Bytes that do not repeat; the same for the same seed. */
function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size)
  const chance = seededChance(seed)
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE(Math.floor(chance() * 2 ** 32), at)
  return bytes
}
