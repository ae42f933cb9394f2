/**
 * A story of files between two routers, as processes: it is told on the embedded network and on real i2pd.
 */
import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { choosePieceBytes } from "../../plugins/files/torrent/metainfo-write.ts"
import { seededChance } from "../../src/base/random.ts"
import { AlliumProcess } from "./allium-process.ts"
import { befriend } from "./friends.ts"
import { eventually } from "./story.ts"

const MIB = 1_048_576
/** What a kill may cost: a piece of torrents above 1 GiB. Smaller ones have smaller pieces, which are not counted one by one. */
const LOST_BYTES_MAX = MIB

/** Where the story takes place. */
export interface FilesPlace {
  /** Flags of each router. */
  readonly network: { readonly a: readonly string[]; readonly b: readonly string[] }
  readonly fileBytes: number
  /** Times one of them is killed on the way. */
  readonly kills: number
  readonly patienceMs: number
  /** The I2P router of A or B (or its bridge) is not there for a while. */
  restartRouter(of: "a" | "b"): Promise<void>
}

interface Transfer {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly done: number
  readonly reason?: string
  readonly path?: string
}

/** Tells it. */
export function tellFilesStory(title: string, openPlace: () => Promise<FilesPlace>): void {
  describe(title, () => {
    let place: FilesPlace
    let folder: string
    let a: AlliumProcess
    let b: AlliumProcess

    beforeAll(async () => {
      place = await openPlace()
      folder = await mkdtemp(join(tmpdir(), "allium-files-"))
      a = new AlliumProcess(join(folder, "a"), place.network.a)
      b = new AlliumProcess(join(folder, "b"), place.network.b)
      await Promise.all([a.start(), b.start()])
      await Promise.all([
        a.call("identity create", { name: "ann" }),
        b.call("identity create", { name: "bob" }),
      ])
      const left = { who: a, other: b, identity: "ann", calls: "bob" }
      await befriend(left, { who: b, identity: "bob", calls: "ann" }, place.patienceMs)
      await b.call("file auto", { contact: "ann", below: "8GiB" })
    }, 900_000)
    afterAll(async () => {
      await Promise.all([a?.stop(), b?.stop()])
      await rm(folder, { recursive: true, force: true })
    }, 60_000)

    const find = async (who: AlliumProcess, id: string) =>
      (await who.call<Transfer[]>("file list")).find((one) => one.id === id)
    const until = (who: AlliumProcess, id: string, isSo: (one: Transfer) => boolean) =>
      eventually(
        () => find(who, id),
        (one) => one !== undefined && isSo(one),
        place.patienceMs,
      )
    const received = () => join(b.home, "plugins", "files", "received")
    const send = async (path: string) =>
      (await a.call<Transfer>("file send", { contact: "bob", path })).id

    /** Kills Bob while Ann stands still: what he had on disk against what he still knows of it afterwards. */
    async function killReceiver(id: string, path: string): Promise<void> {
      a.signal("SIGSTOP")
      try {
        await b.kill()
        const part = join(received(), `.allium-${id}.part`, "0")
        const here = await sameBytes(part, path, choosePieceBytes(place.fileBytes))
        await b.start()
        const known = await until(b, id, ({ done }) => done >= here - LOST_BYTES_MAX)
        expect(here - known!.done).toBeLessThanOrEqual(LOST_BYTES_MAX)
      } finally {
        a.signal("SIGCONT")
      }
    }

    /** Kills Ann: Bob loses nothing of what he had. */
    async function killSender(id: string): Promise<void> {
      const { done } = (await find(b, id))!
      await a.kill()
      await a.start()
      expect((await find(b, id))!.done).toBeGreaterThanOrEqual(done)
    }

    it("a large file comes whole though either end is killed again and again, and no kill costs more than a piece", async () => {
      const path = join(folder, "large.bin")
      const sha256 = await writeNoise(path, place.fileBytes)
      const id = await send(path)
      for (let kill = 1; kill <= place.kills; kill++) {
        const goal = (place.fileBytes * kill) / (place.kills + 2)
        await until(b, id, ({ done }) => done >= goal)
        if (kill % 2 === 0) await killSender(id)
        else await killReceiver(id, path)
      }
      const arrived = await until(b, id, ({ state }) => state === "done")
      expect(await hashOf(arrived!.path!)).toBe(sha256)
      await until(a, id, ({ state }) => state === "done")
    })

    it.each(["a", "b"] as const)(
      "goes on by itself when the router of %s was restarted",
      async (side) => {
        const path = join(folder, `restart-${side}.bin`)
        const sha256 = await writeNoise(path, Math.floor(place.fileBytes / 2))
        const id = await send(path)
        await until(b, id, ({ done }) => done > 0)
        await place.restartRouter(side)
        const arrived = await until(b, id, ({ state }) => state === "done")
        expect(await hashOf(arrived!.path!)).toBe(sha256)
        await until(a, id, ({ state }) => state === "done")
      },
    )

    it("a folder comes with its structure", async () => {
      const album = join(folder, "album")
      await mkdir(join(album, "1", "2"), { recursive: true })
      for (const name of ["a.txt", "1/b.txt", "1/2/c.txt"]) await writeFile(join(album, name), name)
      const id = await send(album)
      const arrived = await until(b, id, ({ state }) => state === "done")
      const names = await readdir(arrived!.path!, { recursive: true })
      expect(names.sort()).toEqual(["1", "1/2", "1/2/c.txt", "1/b.txt", "a.txt"])
    })

    it("what is cancelled on the way ends at both ends, and leaves nothing", async () => {
      const path = join(folder, "unwanted.bin")
      await writeNoise(path, place.fileBytes)
      const id = await send(path)
      await until(b, id, ({ done }) => done > 0)
      await b.call("file cancel", { id })
      for (const who of [a, b])
        expect((await until(who, id, ({ state }) => state === "cancelled"))?.reason).toBe(
          "CANCELLED",
        )
      await eventually(
        () => readdir(received()),
        (names) => !names.some((name) => name.startsWith(".")),
        place.patienceMs,
      )
    })
  })
}

/** @returns SHA-256, in hexadecimal. */
async function writeNoise(path: string, byteCount: number): Promise<string> {
  const chance = seededChance(byteCount)
  const hash = createHash("sha256")
  const chunks = function* () {
    for (let left = byteCount; left > 0; left -= MIB) {
      const chunk = Buffer.alloc(Math.min(MIB, left))
      for (let at = 0; at + 4 <= chunk.length; at += 64)
        chunk.writeUInt32LE(Math.floor(chance() * 2 ** 32), at)
      hash.update(chunk)
      yield chunk
    }
  }
  await pipeline(Readable.from(chunks()), createWriteStream(path))
  return hash.digest("hex")
}

/** Bytes of the pieces that are the same in both files, at the same place. */
async function sameBytes(left: string, right: string, pieceBytes: number): Promise<number> {
  await using one = await open(left)
  await using other = await open(right)
  const [mine, theirs] = [Buffer.alloc(pieceBytes), Buffer.alloc(pieceBytes)]
  let same = 0
  for (let at = 0; ; at += pieceBytes) {
    const { bytesRead } = await other.read(theirs, 0, pieceBytes, at)
    if (bytesRead === 0) return same
    mine.fill(0)
    await one.read(mine, 0, bytesRead, at)
    if (mine.subarray(0, bytesRead).equals(theirs.subarray(0, bytesRead))) same += bytesRead
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest("hex")
}
