/**
 * Finds secrets in what a program left behind, in whatever clothes they wear there.
 */
import type { Dirent } from "node:fs"
import { lstat, readdir, readFile } from "node:fs/promises"
import { join, relative } from "node:path"

/** Something that must not be found, and what it is. */
export interface Secret {
  readonly what: string
  readonly bytes: Uint8Array
}

/** Bytes to search. */
export interface Place {
  readonly where: string
  readonly bytes: Buffer
}

/** Shorter pieces would be found by chance. */
const BASE64_CHARACTERS_MIN = 12

/** A secret that is a text. */
export function secretText(what: string, text: string): Secret {
  return { what, bytes: Buffer.from(text) }
}

/** Each file of a folder with its path, and the paths themselves: names tell things too. */
export async function placesIn(folder: string): Promise<Place[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry: Dirent) => join(entry.parentPath, entry.name))
  const names = paths.map((path) => relative(folder, path))
  const places = [{ where: "names of files", bytes: Buffer.from(names.join("\n")) }]
  for (const [index, path] of paths.entries())
    if ((await lstat(path)).isFile())
      places.push({ where: names[index] ?? "", bytes: await readFile(path) })
  return places
}

/** `<what> in <where>`, each once, for every secret that is found in any writing. */
export function findTraces(places: readonly Place[], secrets: readonly Secret[]): string[] {
  const found = new Set<string>()
  for (const { what, bytes } of secrets)
    for (const needle of writingsOf(bytes))
      for (const place of places)
        if (place.bytes.includes(needle)) found.add(`${what} in ${place.where}`)
  return [...found].sort()
}

/** The bytes themselves, hexadecimal, and base64 in three alphabets wherever in a longer text they begin. */
function writingsOf(bytes: Uint8Array): Buffer[] {
  const hex = Buffer.from(bytes).toString("hex")
  const pieces = [0, 1, 2].map((shift) => base64Inside(bytes, shift))
  const texts = [
    hex,
    hex.toUpperCase(),
    ...pieces.flatMap((piece) => [
      piece,
      piece.replaceAll("+", "-").replaceAll("/", "_"),
      piece.replaceAll("+", "-").replaceAll("/", "~"),
    ]),
  ]
  const long = texts.filter(({ length }) => length >= BASE64_CHARACTERS_MIN)
  return [Buffer.from(bytes), ...[...new Set(long)].map((text) => Buffer.from(text))]
}

/** What of the base64 depends on nothing but `bytes` when `shift` other bytes stand before them. */
function base64Inside(bytes: Uint8Array, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString("base64")
    .replace(/=+$/, "")
  const begin = shift === 0 ? 0 : shift + 1
  const isWhole = (bytes.length + shift) % 3 === 0
  return text.slice(begin, isWhole ? undefined : -1)
}
