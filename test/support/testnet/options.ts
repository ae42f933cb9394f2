/**
 * What `npm run testnet` is asked for.
 *
 * @module
 */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

export const USAGE = `npm run testnet -- [options] [COMMAND ARGUMENTS…]

Starts a private I2P network of real i2pd routers in a network namespace with no way out, prints the
SAM port of each and runs until Ctrl-C; with COMMAND, runs that inside and passes its exit code on.

  --routers N   how many routers, 0 to 20 (default 6; the last two are floodfills)
  --i2pd PATH   which i2pd (default: the one on PATH or in /usr/sbin)
  --keep        leave the routers' folders behind, with their logs, and say where
  --help        this text

COMMAND finds in its environment:
  ALLIUM_TESTNET_SAM_PORTS   22001,22002,… on 127.0.0.1
  ALLIUM_TESTNET_REPORT      file that says after the run which packets would have left
  ALLIUM_TESTNET_CONTROL     Unix socket behind test/support/testnet/testnet.ts
A file that ALLIUM_TESTNET_REPORT names already is used and left behind.`

/** Twenty routers take half a gigabyte; more would test the machine, not Allium. */
const ROUTERS_MAX = 20
/** Folders outside an ordinary user's PATH, then the one `scripts/tools.mjs` unpacks into. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"]
const UNPACKED = fileURLToPath(
  new URL("../../../node_modules/.cache/allium-tools/bin", import.meta.url),
)

export interface TestnetOptions {
  readonly routerCount: number
  readonly keep: boolean
  readonly help: boolean
  readonly i2pd: string | undefined
  /** Empty: run until a signal comes. */
  readonly command: readonly string[]
}

/**
 * Reads the options in front of COMMAND; what follows the first plain word is COMMAND's own.
 *
 * @throws {RangeError} One sentence for the person who typed it.
 */
export function parseTestnetOptions(words: readonly string[]): TestnetOptions {
  const rest = [...words]
  let [routerCount, keep, help, i2pd] = [6, false, false, undefined as string | undefined]
  for (let word = rest[0]; word?.startsWith("-"); word = rest[0]) {
    rest.shift()
    if (word === "--") break
    if (word === "--keep") keep = true
    else if (word === "--help" || word === "-h") help = true
    else if (word === "--routers") routerCount = readRouterCount(rest.shift())
    else if (word === "--i2pd") i2pd = readPath(rest.shift())
    else throw new RangeError(`Cannot start testnet: unknown option ${word}, see --help`)
  }
  return { routerCount, keep, help, i2pd, command: rest }
}

function readRouterCount(word: string | undefined): number {
  if (word !== undefined && /^\d{1,2}$/.test(word) && Number(word) <= ROUTERS_MAX)
    return Number(word)
  throw new RangeError(
    `Cannot start testnet: --routers is ${word ?? "missing"}, expected 0 to ${ROUTERS_MAX}`,
  )
}

function readPath(word: string | undefined): string {
  if (word !== undefined) return word
  throw new RangeError("Cannot start testnet: --i2pd is missing, expected a path")
}

/** PATH with the folders behind it in which Debian and `scripts/tools.mjs` keep such programs. */
export function toolPath(): string {
  return [process.env.PATH ?? "", ...SYSTEM_FOLDERS, UNPACKED].join(delimiter)
}

/** The full path of a program on {@linkcode toolPath}, or nothing. */
export function findProgram(name: string): string | undefined {
  if (name.includes("/")) return isProgram(name) ? name : undefined
  const folders = toolPath().split(delimiter).filter(Boolean)
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
