import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it, onTestFinished } from "vitest"
import { openDiskRoom } from "../../plugins/files/disk/disk-room.ts"
import { makeShare } from "../../plugins/files/disk/make-share.ts"
import { recheck } from "../../plugins/files/disk/recheck.ts"
import { ShareStore } from "../../plugins/files/disk/share-store.ts"
import { surveyShare } from "../../plugins/files/disk/survey.ts"
import { type Metainfo, readTorrent } from "../../plugins/files/torrent/metainfo.ts"
import { writeTorrent } from "../../plugins/files/torrent/metainfo-write.ts"
import { foreign, lacks } from "../support/foreign-programs.ts"
import { makeFiles } from "../unit/plugins/files/disk/made.ts"

const run = promisify(execFile)
const { signal } = new AbortController()
const TRACKER = "http://tracker.example.i2p/announce"
const FILES = {
  "a.txt": "content of a",
  "b.bin": randomBytes(300_000),
  "empty.txt": "",
  "sub/deep/c.bin": randomBytes(70_001),
  "sub/été.txt": "content in French",
}

/** What we make of a folder or of one file in it; `path` is what others are given, and `torrent` where they may write. */
async function share({ isSingle }: { isSingle: boolean }) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "allium-makers-")))
  onTestFinished(() => rm(folder, { recursive: true }))
  await makeFiles(join(folder, "Things of mine"), FILES)
  const path = join(folder, "Things of mine", ...(isSingle ? ["b.bin"] : []))
  const room = openDiskRoom()
  onTestFinished(async () => room[Symbol.asyncDispose]())
  const survey = await surveyShare(room.disk, path, { signal })
  const made = await makeShare({ room, survey, pieceBytes: 32_768, signal })
  return { path, room, ...made, torrent: join(folder, "made.torrent") }
}

/** What theirs and ours must agree on, whatever else stands in the info dictionary. */
function contentOf({ name, isFolder, files, geometry }: Metainfo) {
  const full = files.filter(({ size }) => size > 0) // transmission leaves out empty files
  const sizes = full.map(({ path, size }) => `${path.join("/")}: ${size}`).sort()
  return { name, isFolder, sizes, size: geometry.size, pieceBytes: geometry.pieceBytes }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}

describe.each([{ isSingle: true }, { isSingle: false }])(
  "torrents, single file: $isSingle",
  (kind) => {
    it.skipIf(lacks("mktorrent"))(
      "mktorrent and we make the same infohash of the same files",
      async () => {
        const { path, torrent, metainfo } = await share(kind)
        await run(foreign("mktorrent"), ["-l", "15", "-a", TRACKER, "-o", torrent, path])
        const theirs = readTorrent(await readFile(torrent))
        expect(contentOf(theirs)).toEqual(contentOf(metainfo))
        expect(hex(theirs.infohash)).toBe(hex(metainfo.infohash))
        expect(theirs.tiers).toEqual([[TRACKER]])
      },
    )

    it.skipIf(lacks("transmission-create"))(
      "transmission-create's are read, and hold what ours do",
      async () => {
        const { path, torrent, room, metainfo } = await share(kind)
        await run(foreign("transmission-create"), ["-s", "32", "-t", TRACKER, "-o", torrent, path])
        const theirs = readTorrent(await readFile(torrent))
        expect(contentOf(theirs)).toEqual(contentOf(metainfo))
        const paths = theirs.files.map((file) => join(dirname(path), ...file.path))
        const store = new ShareStore({ room, metainfo: theirs, paths })
        expect((await recheck(store, { signal })).isFull).toBe(true)
        const shown = await run(foreign("transmission-show"), [torrent])
        expect(shown.stdout).toContain(`Hash: ${hex(theirs.infohash)}`)
      },
    )

    it.skipIf(lacks("transmission-show"))(
      "ours are read by transmission, with our infohash",
      async () => {
        const { torrent, metainfo } = await share(kind)
        await writeFile(torrent, writeTorrent(metainfo.info, { tiers: [[TRACKER]] }))
        const { stdout } = await run(foreign("transmission-show"), [torrent])
        expect(stdout).toContain(`Hash: ${hex(metainfo.infohash)}`)
        expect(stdout).toContain(`Piece Count: ${metainfo.geometry.pieceCount}`)
        expect(stdout).toContain("Piece Size: 32.00 KiB")
        expect(stdout).toContain(TRACKER)
        for (const { path } of metainfo.files) expect(stdout).toContain(path.join("/"))
      },
    )
  },
)
