/**
 * Plain values to bytes and back: MessagePack without its surprises, for the wire and for the disk.
 *
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 * @module
 */
import { Packr } from "msgpackr"
import { AlliumError } from "./errors.ts"
import { type PackLimits, scanPack } from "./pack-scan.ts"

export type { PackLimits } from "./pack-scan.ts"

/** What fits most messages: 64 KiB, 8 levels, 4,096 items. */
export const PACK_LIMITS: PackLimits = { bytesMax: 65_536, depthMax: 8, itemsMax: 4096 }

/** No limit of its own on what we write; who reads it sets one. */
const UNLIMITED: PackLimits = { bytesMax: Infinity, depthMax: 64, itemsMax: Infinity }

const options = {
  useRecords: false,
  mapsAsObjects: true,
  copyBuffers: true,
  int64AsType: "number" as const,
  /** Members that are `undefined` are left out, as in JSON; the package's types do not know the option. */
  skipValues: [undefined],
}
const codec = new Packr(options)

/**
 * Packs null, booleans, numbers, text, `Uint8Array`s, arrays and plain objects; members that are
 * `undefined` are left out.
 *
 * @returns Bytes of the caller's own.
 * @throws {TypeError} for what is no plain data: `undefined` alone, dates, errors, integers beyond 2^53,
 * functions, half surrogates, cyclic or very deep values.
 */
export function packValue(value: unknown): Uint8Array {
  try {
    const bytes = new Uint8Array(codec.pack(value))
    scanPack(bytes, UNLIMITED)
    return bytes
  } catch {
    // The cause is left out on purpose: it may quote the value.
    throw new TypeError("Cannot pack value: it holds something that is not plain data")
  }
}

/**
 * Unpacks one value that fills `bytes` exactly. The result is untrusted data: pass it through a shape.
 *
 * @returns Fresh values; byte strings are `Uint8Array`s of their own, never views of `bytes`.
 * @throws {AlliumError} `BAD_PACK`; its message says nothing about the content.
 */
export function unpackValue(bytes: Uint8Array, limits: PackLimits = PACK_LIMITS): unknown {
  scanPack(bytes, limits)
  try {
    // A view of its own: the decoder hangs a `dataView` property on what it is given.
    return withoutBuffers(codec.unpack(bytes.subarray()))
  } catch {
    throw new AlliumError("BAD_PACK", "Cannot unpack: the decoder gave up, expected plain values")
  }
}

/** The decoder makes `Buffer`s, which are not equal to the `Uint8Array`s that went in. */
function withoutBuffers(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (typeof value !== "object" || value === null) return value
  const members = value as Record<string, unknown>
  for (const key of Object.keys(members)) {
    const member = members[key]
    if (typeof member === "object") members[key] = withoutBuffers(member)
  }
  return value
}
