/**
 * Paths of a torrent's files: whatever the torrent says, each becomes a path of harmless names that nobody else has.
 *
 * @module
 */
import { AlliumError, freeName, safeName } from "allium/plugin"

/** Folders inside each other; torrents of people use fewer than 10. */
export const PATH_DEPTH_MAX = 32
/** A whole path in UTF-8; systems allow 4,096 bytes, from the root. */
const PATH_BYTES_MAX = 2_048
/** Names that must be changed because another is the same on some system; each costs time. */
const COLLISIONS_MAX = 256

/** Gives the files of one torrent their paths. */
export class Paths {
  readonly #top = new Folder()
  #collisions = 0

  /**
   * @param parts - As the torrent says, from its folder on; the last one is the file's own name.
   * @returns As many parts, each safe; no other file or folder has the path, on systems without upper case either.
   * @throws {AlliumError} `BAD_TORRENT` when it is too deep, too long, or collides too often.
   */
  place(parts: readonly string[]): string[] {
    if (parts.length === 0 || parts.length > PATH_DEPTH_MAX)
      throw bad(`a path has ${parts.length} parts, expected 1 to ${PATH_DEPTH_MAX}`)
    const placed: string[] = []
    let folder = this.#top
    for (const part of parts.slice(0, -1)) {
      const known = folder.folders.get(part) ?? this.#enter(folder, part)
      placed.push(known.name)
      folder = known.folder
    }
    placed.push(this.#take(folder, parts.at(-1)!))
    if (Buffer.byteLength(placed.join("/")) > PATH_BYTES_MAX) throw bad("a path is too long")
    return placed
  }

  #enter(folder: Folder, part: string): { name: string; folder: Folder } {
    const entered = { name: this.#take(folder, part), folder: new Folder() }
    folder.folders.set(part, entered)
    return entered
  }

  /** A safe name that nothing in the folder has. */
  #take(folder: Folder, wanted: string): string {
    let name = safeName(wanted)
    const tried: string[] = []
    while (folder.taken.has(sameName(name))) {
      if (++this.#collisions > COLLISIONS_MAX) throw bad("too many files have the same name")
      tried.push(name)
      name = freeName(safeName(wanted), tried)
    }
    folder.taken.add(sameName(name))
    return name
  }
}

class Folder {
  /** Folders by what the torrent calls them. */
  readonly folders = new Map<string, { readonly name: string; readonly folder: Folder }>()
  /** Names in use, as {@linkcode sameName} writes them. */
  readonly taken = new Set<string>()
}

/** Equal for names that are one file on some system; {@linkcode freeName} makes no finer difference. */
function sameName(name: string): string {
  return name.normalize("NFKC").toLowerCase().toUpperCase().normalize("NFC")
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_TORRENT", `Cannot read torrent: ${found}`)
}
