/**
 * Names of received files: whatever the other side says, the result is one harmless file name.
 *
 * Every received name passes here, and only here. The result can be made on Linux, macOS and Windows, shows as what it is,
 * and cannot leave its folder, hide itself, look like a device or an option, or pretend another ending.
 *
 * @see https://learn.microsoft.com/windows/win32/fileio/naming-a-file
 * @module
 */

/** File systems allow 255 bytes; the rest is kept for ` (99999)` and for temporary endings. */
const NAME_BYTES_MAX = 200
/** An ending longer than this is not one. */
const EXTENSION_BYTES_MAX = 20
/** When nothing is left of a name. */
const NAMELESS = "file"

/** Control characters, direction and other invisible marks, line and paragraph separators, lone surrogates. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
/** What separates folders somewhere, or means something to a shell or to Windows. */
const SPECIAL = /[/\\:*?"<>|]/g
/** Windows opens a device for these, with any ending. */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(?=$|[ .])/i

/** A name that is safe to make in any folder; safe names stay as they are. */
export function safeName(name: string): string {
  let safe = name.normalize("NFC").replace(INVISIBLE, "").replace(SPECIAL, "_")
  safe = withoutRim(safe.replace(/\s+/gu, " "))
  if (DEVICE.test(safe)) safe = `_${safe}`
  safe = shorten(safe)
  return safe === "" ? NAMELESS : safe
}

/**
 * The first of `name`, `name (1)`, `name (2)`… that is not among `taken`, not even in other case or other Unicode form.
 *
 * @param name - Safe already.
 * @param taken - Names in the folder.
 */
export function freeName(name: string, taken: Iterable<string>): string {
  const folded = new Set([...taken].map(fold))
  const [stem, extension] = split(name)
  let free = name
  for (let count = 1; folded.has(fold(free)); count++) free = `${stem} (${count})${extension}`
  return free
}

/** Two names that fold to the same may be the same file somewhere. */
function fold(name: string): string {
  return name.normalize("NFKC").toLowerCase().toUpperCase().normalize("NFC")
}

/** No hidden files, options or home folders at the front; no dots and spaces at the end, which Windows drops. */
function withoutRim(name: string): string {
  return name.replace(/^[\s.~-]+/u, "").replace(/[\s.]+$/u, "")
}

/** Cuts the stem between characters, and keeps the ending. */
function shorten(name: string): string {
  if (Buffer.byteLength(name) <= NAME_BYTES_MAX) return name
  const [stem, extension] = split(name)
  let room = NAME_BYTES_MAX - Buffer.byteLength(extension)
  let kept = ""
  for (const { segment } of new Intl.Segmenter().segment(stem)) {
    room -= Buffer.byteLength(segment)
    if (room < 0) break
    kept += segment
  }
  return withoutRim(kept + extension)
}

function split(name: string): [stem: string, extension: string] {
  const dot = name.lastIndexOf(".")
  const extension = dot > 0 ? name.slice(dot) : ""
  if (extension === "" || Buffer.byteLength(extension) > EXTENSION_BYTES_MAX) return [name, ""]
  return [name.slice(0, dot), extension]
}
