/**
 * From the path of a request to names below a folder: what could mean anything else is refused.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"

/** A path that was understood. */
export interface SitePath {
  /** Names of folders and, last, a file; empty for the folder itself. None begins with a dot. */
  readonly names: readonly string[]
  /** It ended in a slash: a folder is meant. */
  readonly isFolder: boolean
}

/** Longer names no file system takes. */
const NAME_BYTES_MAX = 255
const NAMES_MAX = 64
/** Separators of any system, control characters, and Windows' streams and wildcards. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f/\\:*?"<>|]/

/**
 * Reads the path of a request target; a query is dropped.
 *
 * @param target - As it came: `/a/b.html?q`, or `http://host/a/b.html`.
 * @throws {AlliumError} `BAD_REQUEST` for encodings that are broken, and names that step out or hide
 * something; `NOT_FOUND` for dot files and what cannot be a file's name.
 */
export function parseSitePath(target: string): SitePath {
  const [path = ""] = target.replace(/^http:\/\/[^/?#]*/i, "").split(/[?#]/, 1)
  if (!path.startsWith("/")) throw badPath("it does not begin with a slash")
  const parts = path.slice(1).split("/")
  const isFolder = parts.at(-1) === ""
  if (isFolder) parts.pop()
  if (parts.length > NAMES_MAX) throw notFound()
  return { names: parts.map(readName), isFolder }
}

function readName(encoded: string): string {
  const name = decode(encoded)
  if (name === "" || name === "." || name === "..") throw badPath("it holds an empty name or dots")
  if (FORBIDDEN.test(name)) throw badPath("it holds a forbidden character")
  if (name.startsWith(".") || Buffer.byteLength(name) > NAME_BYTES_MAX) throw notFound()
  return name
}

function decode(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw badPath("its encoding is broken")
  }
}

function badPath(found: string): AlliumError {
  return new AlliumError("BAD_REQUEST", `Cannot read path: ${found}`)
}

function notFound(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot find page: there is nothing at this address")
}

/** The path as it stands in a link. */
export function formatSitePath({ names, isFolder }: SitePath): string {
  const path = `/${names.map(encodeURIComponent).join("/")}`
  return isFolder && names.length > 0 ? `${path}/` : path
}
