/**
 * What is in a share of the library: its folders and files by path, to be listed and searched. Pure.
 *
 * @module
 */
import type { Survey } from "../disk/survey.ts"
import { LISTED_BYTES_MAX, LISTED_MAX, type Listed } from "./wire.ts"

/** A file or folder in the catalogue, and where it is on this machine. */
export interface Item extends Listed {
  /** Real path. */
  readonly real: string
}

/** One share, as it was when it was looked at. */
export class Catalogue {
  /** Every folder and file, each folder before what is in it. */
  readonly items: readonly Item[]
  readonly #byPath: ReadonlyMap<string, Item>
  /** Paths as words are looked for in them, once somebody searches. */
  #folded: readonly string[] | undefined

  /** @param name - What the share is called; safe. */
  constructor(name: string, survey: Survey) {
    const byPath = new Map<string, Mutable>()
    for (const file of survey.files) {
      const { path: real, size } = file
      // The names of a folder's files are below the folder; a file is its own name.
      const names = survey.isFolder ? [name, ...file.names] : [name]
      for (let depth = 1; depth < names.length; depth++) {
        const folder = folderAt(byPath, names.slice(0, depth).join("/"), () =>
          upwards(real, names.length - depth),
        )
        folder.size += size
        folder.fileCount++
      }
      const path = names.join("/")
      byPath.set(path, { path, isFolder: false, size, fileCount: 1, real })
    }
    this.#byPath = byPath
    this.items = [...byPath.values()]
  }

  find(path: string): Item | undefined {
    return this.#byPath.get(path)
  }

  /** What stands in a folder itself; a file has nothing. */
  within(path: string): Item[] {
    const start = `${path}/`
    return this.items.filter(
      (item) => item.path.startsWith(start) && !item.path.includes("/", start.length),
    )
  }

  /** The topmost folders and files with all the words in their path. @param words - As {@linkcode foldWord} writes them. */
  search(words: readonly string[]): Item[] {
    this.#folded ??= this.items.map(({ path }) => foldWord(path))
    const has = (path: string) => words.every((word) => path.includes(word))
    const isFound = (path: string) => has(path) && !has(path.slice(0, path.lastIndexOf("/") + 1))
    return this.items.filter((_, index) => isFound(this.#folded![index]!))
  }
}

type Mutable = { -readonly [Member in keyof Item]: Item[Member] }

function folderAt(items: Map<string, Mutable>, path: string, real: () => string): Mutable {
  const known = items.get(path)
  if (known !== undefined) return known
  const folder = { path, isFolder: true, size: 0, fileCount: 0, real: real() }
  items.set(path, folder)
  return folder
}

/** Names on disk may be others than those shown, but there are as many. */
function upwards(real: string, levels: number): string {
  return real.split("/").slice(0, -levels).join("/")
}

/** Without regard to case and to how a letter is written. */
export function foldWord(text: string): string {
  return text.normalize("NFKC").toLowerCase()
}

/** As many as fit one answer. */
export function pageOf(
  items: readonly Item[],
  after: number,
): { readonly listed: Listed[]; readonly next?: number } {
  const listed: Listed[] = []
  let bytes = 0
  for (const { path, isFolder, size, fileCount } of items.slice(after, after + LISTED_MAX)) {
    bytes += Buffer.byteLength(path)
    if (bytes > LISTED_BYTES_MAX) break
    listed.push({ path, isFolder, size, fileCount })
  }
  const next = after + listed.length
  return { listed, ...(next < items.length && { next }) }
}
