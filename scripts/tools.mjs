/**
 * The foreign programs that the live tests use: i2pd, ip and curl, and those that prove the tunnels.
 *
 * What is missing is unpacked from Debian's packages into `node_modules/.cache/allium-tools`, beside
 * the system and not into it: no maintainer script runs, no service is registered, nothing starts,
 * now or at the next boot. Elsewhere the person is told in one line how to get them.
 *
 * @module
 */
import { execFileSync } from "node:child_process"
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { basename, delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

/** Without these there is no live suite: program and the Debian package that brings it. */
const NEEDED = { i2pd: "i2pd", ip: "iproute2", curl: "curl" }
/** Without one of these, the tests that use it say so. */
const FOREIGN = {
  chromium: "chromium",
  dropbear: "dropbear-bin",
  dropbearkey: "dropbear-bin",
  git: "git",
  "go-sendxmpp": "go-sendxmpp",
  irssi: "irssi",
  "libproxychains.so.4": "libproxychains4",
  "libtorsocks.so": "torsocks",
  "mod_onions.lua": "prosody-modules",
  mktorrent: "mktorrent",
  ncat: "ncat",
  nginx: "nginx-light",
  ngircd: "ngircd",
  prosody: "prosody",
  rsync: "rsync",
  scp: "openssh-client",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  strace: "strace",
  "transmission-cli": "transmission-cli",
  "transmission-create": "transmission-cli",
  "transmission-show": "transmission-cli",
  "weechat-headless": "weechat-headless",
  wget: "wget",
  wrk: "wrk",
}
const PACKAGES = { ...NEEDED, ...FOREIGN }
/** Folders outside an ordinary user's PATH where Debian keeps such programs. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"]
/** Chromium's start script in `usr/bin` wants an installed system; the program itself does not. */
const PROGRAM_FOLDERS = ["usr/lib/chromium", "usr/sbin", "usr/bin", "sbin", "bin"]
/** What a program loads lies elsewhere. */
const PART_FOLDERS = ["lib", "usr/lib", "usr/lib/prosody/modules"]
/** Where unpacked programs lie. */
const CACHE = fileURLToPath(new URL("../node_modules/.cache/allium-tools", import.meta.url))

/** PATH with the unpacked programs and the system's own folders behind what was there. */
export const toolPath = [process.env.PATH, ...SYSTEM_FOLDERS, join(CACHE, "bin")].join(delimiter)

/**
 * Makes the programs available on {@linkcode toolPath}, and tells of those that only some tests want.
 *
 * @returns {string | undefined} Why there can be no live suite and what to do, in one line; nothing when there can.
 */
export function provideTools() {
  const advice = missing(NEEDED).length === 0 ? provide(FOREIGN) : provide(PACKAGES)
  if (advice === undefined || missing(NEEDED).length > 0) return advice
  console.log(`Some live tests cannot run: ${advice}`)
  return undefined
}

/** @returns {string | undefined} What a person can do about programs that are still missing. */
function provide(packages) {
  const programs = missing(packages)
  if (programs.length === 0) return undefined
  const names = [...new Set(programs.map((program) => packages[program]))].join(", ")
  const advice = `install ${names} to run the live tests`
  if (process.platform !== "linux") return `the private network needs Linux: ${advice} there`
  if (find("apt-get") === undefined || find("dpkg-deb") === undefined) return advice
  try {
    console.log(`Unpacking ${names} beside the system (nothing is installed or started) …`)
    unpack(programs)
    return undefined
  } catch (error) {
    return `${advice} (unpacking Debian's packages failed: ${String(error.message).split("\n")[0]})`
  }
}

function missing(packages) {
  return Object.keys(packages).filter((program) => find(program) === undefined)
}

function unpack(programs) {
  rmSync(join(CACHE, "packages"), { recursive: true, force: true })
  mkdirSync(join(CACHE, "packages"), { recursive: true })
  run("apt-get", ["--quiet=2", "download", ...packagesWanted(programs)], join(CACHE, "packages"))
  for (const file of readdirSync(join(CACHE, "packages")))
    run("dpkg-deb", ["--extract", join(CACHE, "packages", file), join(CACHE, "root")])
  rmSync(join(CACHE, "packages"), { recursive: true })
  for (const program of programs) wrap(program)
}

/** The packages of the programs and the libraries this machine lacks, as `name=version`. */
function packagesWanted(programs) {
  const simulate = ["install", "--simulate", "--no-install-recommends", "--no-remove"]
  const names = programs.map((program) => PACKAGES[program])
  const plan = () => run("apt-get", [...simulate, ...names])
  const lines = firstThat(plan, () => {
    if (process.getuid() === 0) run("apt-get", ["--quiet=2", "update"])
    return plan()
  })
  // A new C library beside the old dynamic loader crashes; everything else of one release fits.
  const found = [...lines.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+)/gm)]
  return found
    .filter(([, name]) => name !== "libc6")
    .map(([, name, version]) => `${name}=${version}`)
}

function firstThat(attempt, otherwise) {
  try {
    return attempt()
  } catch {
    return otherwise()
  }
}

/** `exec` keeps the process id: whoever signals the wrapper signals the program. */
function wrap(program) {
  const root = join(CACHE, "root")
  const path = inFolders(PROGRAM_FOLDERS, program) ?? inFolders(PART_FOLDERS, program)
  if (path === undefined) throw new Error(`${PACKAGES[program]} has no program ${program}`)
  const target = join(CACHE, "bin", program)
  mkdirSync(join(CACHE, "bin"), { recursive: true })
  rmSync(target, { force: true })
  if (isPart(program)) return symlinkSync(path, target)
  const libraries = [join(root, "usr/lib"), join(root, "lib")].flatMap(libraryFolders).join(":")
  const start = program === "prosody" ? luaStart(path) : `'${path}'`
  writeFileSync(target, `#!/bin/sh\nLD_LIBRARY_PATH='${libraries}' exec ${start} "$@"\n`)
  chmodSync(target, 0o755)
}

/** The words that start a Lua program with the Lua and the modules beside it; a copy of it names the folders beside it. */
function luaStart(path) {
  const root = join(CACHE, "root")
  const copy = join(CACHE, "bin", `${basename(path)}.lua`)
  const text = readFileSync(path, "utf8")
  writeFileSync(copy, text.replace(/^(CFG_\w+=')(?=\/(?:usr|etc|var)\/)/gm, `$1${root}`))
  const native = libraryFolders(join(root, "usr/lib")).map((folder) => `${folder}/lua/5.4/?.so`)
  const modules = `LUA_PATH='${root}/usr/share/lua/5.4/?.lua;;' LUA_CPATH='${native.join(";")};;'`
  return `env PATH='${root}/usr/bin':"$PATH" ${modules} lua5.4 '${copy}'`
}

/** Where the unpacked packages have the program; also one or two folders below. */
function inFolders(folders, program) {
  const root = join(CACHE, "root")
  return folders
    .flatMap((folder) => libraryFolders(join(root, folder)))
    .flatMap((folder) => [folder, ...below(folder)])
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path))
}

function below(folder) {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name))
}

function entriesOf(folder) {
  return firstThat(
    () => readdirSync(folder, { withFileTypes: true }),
    () => [],
  )
}

/** A library folder, its `x86_64-linux-gnu` or the like, and folders of private libraries in that. */
function libraryFolders(folder) {
  const machine = below(folder).filter((path) => path.includes("-linux-gnu"))
  const hasLibraries = (path) => entriesOf(path).some(({ name }) => name.includes(".so"))
  return [folder, ...machine, ...machine.flatMap(below).filter(hasLibraries)]
}

function find(program) {
  return toolPath
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find(isProgram)
}

/** A library, or a module. */
const isPart = (name) => name.includes(".so") || name.endsWith(".lua")

/** A program may be run, a part of one read. */
function isProgram(path) {
  const wanted = isPart(path) ? constants.R_OK : constants.X_OK
  return firstThat(
    () => accessSync(path, wanted) ?? true,
    () => false,
  )
}

function run(program, args, cwd) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" }
  return execFileSync(program, args, {
    cwd,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problem = provideTools()
  if (problem !== undefined) console.error(problem)
}
