/**
 * The foreign programs that the live tests use: i2pd, ip, curl.
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
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

/** Program and the Debian package that brings it. */
const PACKAGES = { i2pd: "i2pd", ip: "iproute2", curl: "curl" }
/** Folders outside an ordinary user's PATH where Debian keeps such programs. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"]
/** Where unpacked programs lie. */
const CACHE = fileURLToPath(new URL("../node_modules/.cache/allium-tools", import.meta.url))

/** PATH with the unpacked programs and the system's own folders behind what was there. */
export const toolPath = [process.env.PATH, ...SYSTEM_FOLDERS, join(CACHE, "bin")].join(delimiter)

/**
 * Makes the programs available on {@linkcode toolPath}.
 *
 * @returns {string | undefined} Why that failed and what to do, in one line; nothing when all are there.
 */
export function provideTools() {
  const missing = Object.keys(PACKAGES).filter((program) => find(program) === undefined)
  if (missing.length === 0) return undefined
  const advice = `install ${missing.map((program) => PACKAGES[program]).join(", ")} to run the live tests`
  if (process.platform !== "linux") return `the private network needs Linux: ${advice} there`
  if (find("apt-get") === undefined || find("dpkg-deb") === undefined) return advice
  try {
    console.log(
      `Unpacking ${missing.join(", ")} beside the system (nothing is installed or started) …`,
    )
    unpack(missing)
    return undefined
  } catch (error) {
    return `${advice} (unpacking Debian's packages failed: ${String(error.message).split("\n")[0]})`
  }
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
  const folders = ["usr/sbin", "usr/bin", "sbin", "bin"].map((folder) => join(root, folder))
  const path = folders.map((folder) => join(folder, program)).find(isProgram)
  if (path === undefined) throw new Error(`${PACKAGES[program]} has no program ${program}`)
  const libraries = [join(root, "usr/lib"), join(root, "lib")].flatMap(libraryFolders).join(":")
  const script = `#!/bin/sh\nLD_LIBRARY_PATH='${libraries}' exec '${path}' "$@"\n`
  mkdirSync(join(CACHE, "bin"), { recursive: true })
  writeFileSync(join(CACHE, "bin", program), script)
  chmodSync(join(CACHE, "bin", program), 0o755)
}

/** A library folder and its `x86_64-linux-gnu` or the like. */
function libraryFolders(folder) {
  const entries = firstThat(
    () => readdirSync(folder),
    () => [],
  )
  return [
    folder,
    ...entries.filter((name) => name.includes("-linux-gnu")).map((name) => join(folder, name)),
  ]
}

function find(program) {
  return toolPath
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find(isProgram)
}

function isProgram(path) {
  return firstThat(
    () => accessSync(path, constants.X_OK) ?? true,
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
