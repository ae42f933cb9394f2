import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { expect, it, onTestFinished } from "vitest"
import { formatMagnet } from "../../plugins/files/torrent/magnet.ts"
import { readInfo } from "../../plugins/files/torrent/metainfo.ts"
import { writeInfo } from "../../plugins/files/torrent/metainfo-write.ts"
import { decodeBase32 } from "../../src/base/base32.ts"
import { Scope } from "../../src/base/scope.ts"
import { openEmbeddedBridge } from "../../src/bridge/index.ts"
import { openSupervisedSession } from "../../src/sam/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { foreign, lacks } from "../support/foreign-programs.ts"
import { eventually } from "../support/story.ts"
import { openPerson } from "../support/swarm-people.ts"
import { sha1Of } from "../unit/plugins/files/disk/made.ts"

const PATIENCE_MS = 90_000
const FILE_BYTES = 10
const PIECE_BYTES = 65_536
const CORPUS = new URL("../vectors/torrent/hostile-paths.json", import.meta.url)
/** Whatever makes, moves or removes a name, or opens a file for writing. */
const CALLS = [
  ...["open", "openat", "openat2", "creat", "mknod", "mknodat", "truncate"],
  ...["mkdir", "mkdirat", "rmdir", "unlink", "unlinkat"],
  ...["rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"],
]
const WRITES = /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/

/** A router of which the system's own record is kept: one file for each of its threads. */
class TracedProcess extends AlliumProcess {
  readonly record: string

  constructor(home: string, flags: readonly string[], record: string) {
    super(home, flags)
    this.record = record
  }

  override launch(...[args, env]: Parameters<AlliumProcess["launch"]>) {
    // With -D it is the router itself that we start and end.
    const calls = ["-e", `trace=${CALLS.join(",")}`, "-e", "signal=none"]
    const words = [foreign("strace"), "-D", "-ff", "-qq", ...calls, "-o", this.record]
    return super.launch(args, { ...env, UV_USE_IO_URING: "0" }, args[0] === "run" ? words : [])
  }
}

/** Paths that were written, made, moved or removed, as the system was told them. */
async function touched(record: string): Promise<string[]> {
  const names = await readdir(dirname(record))
  const texts = await Promise.all(
    names.map((name) => readFile(join(dirname(record), name), "utf8")),
  )
  const lines = texts.flatMap((text) => text.split("\n")).filter((line) => !/ = -1 E/.test(line))
  return lines
    .filter((line) => !/^(open|openat|openat2)\(/.test(line) || WRITES.test(line))
    .flatMap((line) => [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, path = ""]) => path))
}

/** A torrent of files that want to be somewhere else. */
async function hostileTorrent() {
  const corpus = JSON.parse(await readFile(CORPUS, "utf8")) as { path: string[] }[]
  const bytes = new Uint8Array(randomBytes(corpus.length * FILE_BYTES))
  const content = corpus.map(({ path }) => ({ path, size: FILE_BYTES }))
  const pieceHashes = sha1Of(bytes, PIECE_BYTES)
  const plan = { name: "../../etc", content, pieceBytes: PIECE_BYTES, pieceHashes }
  return { metainfo: readInfo(writeInfo(plan)), bytes }
}

/** In some containers nobody may watch a process; then what is on disk is compared alone (`hostile-names.test.ts`). */
function canTrace(): boolean {
  try {
    execFileSync(foreign("strace"), ["-D", "-o", "/dev/null", "true"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

it.skipIf(lacks("strace") || !canTrace())(
  "the system is asked to write nothing outside the chosen folder and the home, however a torrent names its files",
  async () => {
    await using scope = new Scope()
    const above = await realpath(await mkdtemp(join(tmpdir(), "allium-outside-")))
    onTestFinished(() => rm(above, { recursive: true, force: true }))
    const [chosen, home, trace] = ["chosen", "home", "trace"].map((name) => join(above, name))
    for (const folder of [chosen!, trace!, join(above, "etc")]) await mkdir(folder)
    await symlink(join(above, "etc"), join(chosen!, "etc"))
    const bridge = scope.use(await openEmbeddedBridge())
    const { host, port } = bridge.address
    const session = scope.use(openSupervisedSession({ bridge: { host, port }, keys: "transient" }))
    const torrent = await hostileTorrent()
    const seeder = scope.use(openPerson(torrent, { isSeeder: true }))
    void (async () => {
      for await (const stream of session.incoming)
        void seeder.swarm.join(stream, { name: stream.peer.b32, outgoing: false })
    })()
    const network = ["--network", "embedded", "--sam", `127.0.0.1:${port}`]
    const router = new TracedProcess(home!, network, join(trace!, "record"))
    scope.defer(() => router.stop())
    await router.start()
    const own = decodeBase32(session.destination.b32.slice(0, 52))!
    const { infohash } = torrent.metainfo
    const target = formatMagnet({ infohash, trackers: [], peers: [own] })
    const { id } = await router.call<{ id: string }>("file get", { target, to: chosen })
    await eventually(
      () => router.call<{ state: string }>("file show", { id }),
      ({ state }) => state === "seeding",
      PATIENCE_MS,
    )
    await router.stop()
    const paths = await touched(router.record)
    const isInside = (path: string) =>
      (path.startsWith(`${chosen}/`) || path === home || path.startsWith(`${home}/`)) &&
      !path.split("/").includes("..")
    expect(paths.filter((path) => !isInside(path) && path !== "/dev/null")).toEqual([])
    // The record saw what was placed.
    const placed = await readdir(chosen!, { recursive: true, withFileTypes: true })
    const count = placed.filter((entry) => entry.isFile()).length
    expect(count).toBe(torrent.metainfo.files.length)
    expect(paths.filter((path) => path.startsWith(`${chosen}/`)).length).toBeGreaterThan(count)
    expect(await readdir(join(above, "etc"))).toEqual([])
  },
)
