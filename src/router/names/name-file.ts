/**
 * Names in files: hosts.txt of Java I2P and everybody, addresses.csv of i2pd, and folders that hold them.
 *
 * @module
 */
import { open, readFile, stat } from "node:fs/promises"
import { basename, join } from "node:path"
import { AlliumError, isAlliumError } from "../../base/errors.ts"
import { requireAddress } from "./address.ts"
import { parseHostLine } from "./host-line.ts"
import { requirePublicName } from "./host-name.ts"

/** Largest file: 60,000 names with whole destinations. */
const FILE_BYTES_MAX = 32 * 2 ** 20
/** What routers keep in their folders, the user's own before those of feeds. */
const FILES_OF_ROUTERS = [
  "privatehosts.txt",
  "userhosts.txt",
  "local.csv",
  "hosts.txt",
  "addresses.csv",
]

/** A line that says nothing we could keep. */
export interface BadLine {
  /** Name of the file, without its folder. */
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly reason: string
}

/** What stands in a file or folder. */
export interface NameFile {
  /** Address by name, both in their one spelling; the first of a name counts. */
  readonly names: ReadonlyMap<string, string>
  /** Names that stand there twice, with different addresses. */
  readonly twice: readonly string[]
  readonly bad: readonly BadLine[]
}

/**
 * Reads a file, or each file of a folder that is called as routers call theirs.
 *
 * @throws {AlliumError} `NOT_FOUND`, `TOO_LARGE`.
 */
export async function readNameFile(path: string): Promise<NameFile> {
  const found = { names: new Map<string, string>(), twice: new Set<string>(), bad: [] as BadLine[] }
  for (const file of await filesAt(path)) {
    const parse = file.endsWith(".csv") ? parseCsvLine : parseTextLine
    const lines = (await readText(file)).split("\n")
    for (const [at, text] of lines.entries()) {
      const read = parse(text)
      if (typeof read === "string")
        found.bad.push({ file: basename(file), line: at + 1, reason: read })
      else if (read !== undefined) keep(found, read)
    }
  }
  return { ...found, twice: [...found.twice] }
}

/** A name and its address, nothing, or what is wrong. */
type ReadLine = { readonly name: string; readonly address: string } | undefined | string

function keep(
  { names, twice }: { names: Map<string, string>; twice: Set<string> },
  { name, address }: { name: string; address: string },
): void {
  const known = names.get(name)
  if (known === undefined) names.set(name, address)
  else if (known !== address) twice.add(name)
}

function parseTextLine(text: string): ReadLine {
  const line = parseHostLine(text)
  if (line.kind === "bad") return line.reason
  return line.kind === "name" ? line : undefined
}

/** i2pd writes `name,hash` with 52 characters, or a blinded address with more; without `.b32.i2p`. */
function parseCsvLine(text: string): ReadLine {
  const line = text.trim()
  if (line === "" || line.startsWith("#")) return undefined
  const [name = "", letters = "", more] = line.split(",", 3)
  if (letters === "" || more !== undefined) return "is not name,address"
  try {
    const address = letters.length < 512 ? `${letters}.b32.i2p` : letters
    return { name: requirePublicName(name), address: requireAddress(address) }
  } catch (error) {
    if (!isAlliumError(error, "BAD_NAME", "BAD_DESTINATION")) throw error
    return error.message.replace(/^Cannot [^:]*: /, "")
  }
}

async function filesAt(path: string): Promise<string[]> {
  if (!(await sizeOf(path)).isFolder) return [path]
  const paths = FILES_OF_ROUTERS.map((name) => join(path, name))
  const there = await Promise.all(paths.map((one) => stat(one).then(Boolean, () => false)))
  const found = paths.filter((_, at) => there[at])
  if (found.length > 0) return found
  throw new AlliumError("NOT_FOUND", "Cannot read names: the folder holds no file of names")
}

async function readText(path: string): Promise<string> {
  const { byteCount } = await sizeOf(path)
  if (byteCount <= FILE_BYTES_MAX) return readFile(path, "utf8")
  const most = `${FILE_BYTES_MAX / 2 ** 20} MiB`
  throw new AlliumError("TOO_LARGE", `Cannot read names: the file has more than ${most}`)
}

async function sizeOf(path: string): Promise<{ isFolder: boolean; byteCount: number }> {
  try {
    const found = await stat(path)
    if (found.isFile() || found.isDirectory())
      return { isFolder: found.isDirectory(), byteCount: found.size }
  } catch (cause) {
    throw new AlliumError("NOT_FOUND", "Cannot read names: no such file", { cause })
  }
  throw new AlliumError("NOT_FOUND", "Cannot read names: it is no file and no folder")
}

/**
 * Writes a new file for its owner alone, sorted by name: hosts.txt, or addresses.csv when `path` ends in `.csv`.
 *
 * @param names - Address by name. hosts.txt knows whole destinations only.
 * @returns How many were written, and how many left out because only their hash is known.
 * @throws {AlliumError} `ALREADY_EXISTS`, `DISK_REFUSED`.
 */
export async function writeNameFile(
  path: string,
  names: ReadonlyMap<string, string>,
  short: (address: string) => string,
): Promise<{ written: number; left: number }> {
  const isCsv = path.endsWith(".csv")
  const sorted = [...names].sort(([left], [right]) => (left < right ? -1 : 1))
  const fitting = sorted.filter(([, address]) => isCsv || !address.endsWith(".i2p"))
  const lines = fitting.map(([name, address]) =>
    isCsv ? `${name},${short(address).slice(0, -".b32.i2p".length)}\n` : `${name}=${address}\n`,
  )
  await writeNew(path, lines.join(""))
  return { written: fitting.length, left: sorted.length - fitting.length }
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await using file = await open(path, "wx", 0o600)
    await file.writeFile(text)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST")
      throw new AlliumError("ALREADY_EXISTS", "Cannot export names: the file is there already")
    throw new AlliumError("DISK_REFUSED", "Cannot export names: the file cannot be written", {
      cause,
    })
  }
}
