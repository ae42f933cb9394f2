import { ed25519 } from "@noble/curves/ed25519.js"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase64, encodeBase64 } from "../../../src/sam/base64.ts"
import { deriveDestinationKeys } from "../../../src/sam/derive.ts"
import {
  readDestinationKeys,
  signedPart,
  writeDestinationKeys,
} from "../../../src/sam/private-keys.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import vectors from "../../vectors/sam/derived-destinations.json" with { type: "json" }

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))
const seed = new Uint8Array(32).fill(3)
const { privateKeyFile } = deriveDestinationKeys(seed)

/** The same keys with an X25519 field, as routers with crypto type 4 write them: 455 bytes. */
function cryptoType4(): Uint8Array {
  const file = privateKeyFile.slice()
  file[390] = 4
  return new Uint8Array(Buffer.concat([file.slice(0, 391), new Uint8Array(32), file.slice(-32)]))
}

/** The destination's own key signs a transient one and goes away: noble's hand, not ours. */
function offline(base: Uint8Array): Uint8Array {
  const { destination, cryptoPrivateKey, signingPrivateKey } = readDestinationKeys(base)
  const transient = new Uint8Array(32).fill(9)
  const expiresAndKey = {
    expiresS: 2_000_000_000,
    transientPublicKey: ed25519.getPublicKey(transient),
  }
  const signed = signedPart(expiresAndKey)
  return new Uint8Array(
    Buffer.concat([
      destination.bytes,
      cryptoPrivateKey,
      new Uint8Array(32),
      signed,
      ed25519.sign(signed, signingPrivateKey),
      transient,
    ]),
  )
}

describe("deriveDestinationKeys()", () => {
  it.each(vectors)("agrees with plain Python for seed $seed", (vector) => {
    const { destination, privateKeyFile } = deriveDestinationKeys(fromHex(vector.seed))
    expect(destination.base64).toBe(vector.destination)
    expect(destination.b32).toBe(vector.b32)
    expect(encodeBase64(privateKeyFile)).toBe(vector.privateKeyFile)
  })
  it("agrees with noble about the public key", () => {
    const { destination, privateKeyFile } = deriveDestinationKeys(seed)
    const publicKey = ed25519.getPublicKey(privateKeyFile.slice(-32))
    expect(destination.bytes.slice(352, 384)).toEqual(publicKey)
  })
  it("looks like a router's own: one block of 32 bytes, eleven times", () => {
    const { bytes } = deriveDestinationKeys(seed).destination
    const blocks = new Set(
      Array.from({ length: 11 }, (_, at) => encodeBase64(bytes.slice(32 * at, 32 * at + 32))),
    )
    expect(blocks.size).toBe(1)
    expect(bytes.slice(384)).toEqual(Uint8Array.of(5, 0, 4, 0, 7, 0, 0))
  })
  it.each([0, 31, 33])("refuses a seed of %i bytes", (byteCount) => {
    expect(() => deriveDestinationKeys(new Uint8Array(byteCount))).toThrow(RangeError)
  })
})

describe("readDestinationKeys()", () => {
  it.each([
    { kind: "crypto type 0", file: privateKeyFile, byteCount: 679 },
    { kind: "crypto type 4", file: cryptoType4(), byteCount: 455 },
    { kind: "crypto type 0, offline", file: offline(privateKeyFile), byteCount: 813 },
    { kind: "crypto type 4, offline", file: offline(cryptoType4()), byteCount: 589 },
  ])("reads and writes $kind: $byteCount bytes", ({ file, byteCount }) => {
    expect(file).toHaveLength(byteCount)
    expect(writeDestinationKeys(readDestinationKeys(file))).toEqual(file)
  })
  it("reads what Python wrote", () => {
    for (const { privateKeyFile, b32 } of vectors)
      expect(readDestinationKeys(decodeBase64(privateKeyFile)).destination.b32).toBe(b32)
  })
  const set =
    (at: number, ...values: number[]) =>
    (file: Uint8Array) => {
      const damaged = file.slice()
      damaged.set(values, at < 0 ? damaged.length + at : at)
      return damaged
    }
  it.each([
    ["nothing at all", (_: Uint8Array) => new Uint8Array(0), "expected a destination of 387"],
    ["half a destination", (file: Uint8Array) => file.slice(0, 388), "destination of 391"],
    ["a lost end", (file: Uint8Array) => file.slice(0, -1), "expected at least 679"],
    ["something left over", (file: Uint8Array) => new Uint8Array([...file, 0]), "left over"],
    ["another signing key", set(-1, 1), "does not belong"],
    ["another public key", set(352, 0, 0), "public key|does not belong"],
    ["DSA", set(388, 0), "signature type is 0"],
    ["an unknown signature type (T18)", set(388, 99), "signature type is 99"],
    ["an unknown crypto type", set(390, 9), "crypto type is 9"],
    ["a key of small order", set(352, 1, ...new Uint8Array(31)), "unsound"],
    ["a key that is not canonical", set(352, ...new Uint8Array(32).fill(255)), "unsound"],
    ["a key that was wiped", set(-32, ...new Uint8Array(32)), "offline part has 0 bytes"],
  ])("refuses %s", (_, damage, message) => {
    expect(() => readDestinationKeys(damage(privateKeyFile))).toThrow(
      expect.objectContaining({
        code: "BAD_DESTINATION_KEYS",
        message: expect.stringMatching(message),
      }),
    )
  })
  it.each([
    ["a later expiry", set(679, 255), "signature does not fit"],
    ["another signature", set(679 + 40, 1, 2, 3), "signature does not fit"],
    ["another transient type", set(679 + 5, 11), "transient signature type is 11"],
    ["another transient key", set(-1, 1), "transient keys"],
    ["a lost end", (file: Uint8Array) => file.slice(0, -1), "offline part has 133 bytes"],
  ])("refuses an offline signature with %s", (_, damage, message) => {
    expect(() => readDestinationKeys(damage(offline(privateKeyFile)))).toThrow(
      expect.objectContaining({
        code: "BAD_DESTINATION_KEYS",
        message: expect.stringContaining(message),
      }),
    )
  })
  it("never quotes a key in its errors, and survives any bytes", () => {
    const anything = fc.oneof(
      { weight: 9, arbitrary: fc.uint8Array({ maxLength: 900 }) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.nat(678), fc.nat(255))
          .map(([at, value]) => set(at, value)(privateKeyFile)),
      },
    )
    fc.assert(
      fc.property(anything, (file) => {
        try {
          expect(readDestinationKeys(file).destination.bytes).toHaveLength(391)
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_DESTINATION_KEYS" })
          const secret = encodeBase64(file.slice(-32)).slice(0, 8) || "?"
          expect((error as Error).message).not.toContain(secret)
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})
