/** Owners of destinations who sign records with another implementation of Ed25519 than ours. */
import { ed25519 } from "@noble/curves/ed25519.js"
import { encodeBase64, parseDestination } from "../../src/sam/index.ts"

/** Signs lines of feeds. */
export interface NameOwner {
  readonly dest: string
  readonly b32: string
  /** The line with `fields` and `sig`, and `oldsig` by `old` inside; a command when `name` is empty. */
  line(name: string, fields?: Record<string, string>, old?: NameOwner): string
  sign(text: string): string
}

/** @param number - 0 to 255; the same number is the same owner. */
export function nameOwner(number: number): NameOwner {
  const secret = new Uint8Array(32).fill(number)
  const bytes = new Uint8Array(391)
  bytes.set(ed25519.getPublicKey(secret), 352)
  bytes.set([5, 0, 4, 0, 7, 0, 4], 384)
  const dest = encodeBase64(bytes)
  const sign = (text: string) => encodeBase64(ed25519.sign(Buffer.from(text), secret))
  return {
    dest,
    b32: parseDestination(dest).b32,
    sign,
    line(name, fields = {}, old) {
      const written = name === "" ? "" : `${name}=${dest}`
      const all = { ...fields, ...(old && { olddest: old.dest }) }
      const inner = old ? { ...all, oldsig: old.sign(text(written, all)) } : all
      return text(written, { ...inner, sig: sign(text(written, inner)) })
    },
  }
}

/** As the specification says: sorted by key. */
function text(written: string, fields: Record<string, string>): string {
  const sorted = Object.keys(fields).sort()
  const options = sorted.map((key) => `${key}=${fields[key]}`).join("#")
  return options === "" ? written : `${written}#!${options}`
}
