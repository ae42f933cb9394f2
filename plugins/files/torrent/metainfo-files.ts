/**
 * The files an info dictionary lists: their safe paths, and where their bytes lie.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { Paths } from "../disk/safe-paths.ts"
import type { BencodeMap, BencodeValue } from "./bencode.ts"
import { asMap, bytesOf, integerOf, listOf, textFrom } from "./members.ts"

/** Files of one torrent. I2PSnark takes 2,000. */
export const TORRENT_FILES_MAX = 20_000
/** All files together, 16 TiB: as many pieces as there may be, each as long as it may be. */
export const TORRENT_BYTES_MAX = 2 ** 44
/** One file of a torrent. */
export interface TorrentFile {
  /** Safe names, from the chosen folder on: in a folder torrent the first is the torrent's name. */
  readonly path: readonly string[]
  /** In bytes. */
  readonly size: number
  /** Where its bytes begin among all bytes of the torrent. */
  readonly offset: number
  /** `padding` and `link` take up bytes, but are never written: zeros (BEP 47), and symbolic links. */
  readonly kind: "file" | "padding" | "link"
}

/**
 * @param name - The torrent's, safe.
 * @throws {AlliumError} `BAD_TORRENT`.
 */
export function readFiles(info: BencodeMap, name: string): TorrentFile[] {
  const list = listOf(info, "files")
  return list === undefined ? [readSingle(info, name)] : readFolder(list, name)
}

function readSingle(info: BencodeMap, name: string): TorrentFile {
  const size = integerOf(info, "length", [0, TORRENT_BYTES_MAX])
  if (size === undefined) throw bad("it has neither a length nor files within the limits")
  return { path: [name], size, offset: 0, kind: "file" }
}

function readFolder(list: readonly BencodeValue[], name: string): TorrentFile[] {
  if (list.length === 0 || list.length > TORRENT_FILES_MAX)
    throw bad(`it has ${list.length} files, expected 1 to ${TORRENT_FILES_MAX}`)
  const paths = new Paths()
  let offset = 0
  return list.map((item) => {
    const entry = asMap(item)
    const size = entry && integerOf(entry, "length", [0, TORRENT_BYTES_MAX - offset])
    const parts = entry && pathOf(entry)
    if (entry === undefined || size === undefined || parts === undefined)
      throw bad("a file has no path, or no length within the limits")
    const file = { path: [name, ...paths.place(parts)], size, offset, kind: kindOf(entry) }
    offset += size
    return file
  })
}

/** BEP 47: `p` for padding, `l` for a symbolic link. */
function kindOf(entry: BencodeMap): TorrentFile["kind"] {
  const attributes = textFrom(bytesOf(entry, "attr") ?? new Uint8Array())
  if (attributes.includes("l")) return "link"
  return attributes.includes("p") ? "padding" : "file"
}

/** Names in UTF-8 stand beside those in other encodings. */
export function nameOf(info: BencodeMap, key: string): string | undefined {
  const bytes = bytesOf(info, `${key}.utf-8`) ?? bytesOf(info, key)
  return bytes && textFrom(bytes)
}

function pathOf(entry: BencodeMap): string[] | undefined {
  const parts = listOf(entry, "path.utf-8") ?? listOf(entry, "path")
  if (!parts?.every((part) => part instanceof Uint8Array)) return undefined
  return parts.map((part) => textFrom(part))
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_TORRENT", `Cannot read torrent: ${found}`)
}
