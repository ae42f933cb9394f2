import { xchacha20poly1305 } from "@noble/ciphers/chacha.js"
import { hkdf } from "@noble/hashes/hkdf.js"
import { sha256 } from "@noble/hashes/sha2.js"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { deriveStoreKeys, openValue, seal, unseal } from "../../../src/store/seal.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const text = (value: string) => new TextEncoder().encode(value)
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe("seal()", () => {
  it("agrees with the draft's test vector for XChaCha20-Poly1305 (A.3.1)", () => {
    const box = {
      key: hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
      nonce: hex("404142434445464748494a4b4c4d4e4f5051525354555657"),
      bound: hex("50515253c0c1c2c3c4c5c6c7"),
    }
    const plain = text(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    )
    const sealed = seal(box, plain)
    expect(Buffer.from(sealed.subarray(24, 40)).toString("hex")).toBe(
      "bd6d179d3e83d43b9576579493c0e939",
    )
    expect(Buffer.from(sealed.subarray(-16)).toString("hex")).toBe(
      "c0875924c1c7987947deafd8780acf49",
    )
  })

  it("agrees with noble for any keys, nonces and values, both ways", () => {
    const value = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(bytesOf(32), bytesOf(24), value, value, (key, nonce, bound, plain) => {
        const sealed = seal({ key, nonce, bound }, plain)
        expect(sealed.subarray(24)).toEqual(xchacha20poly1305(key, nonce, bound).encrypt(plain))
        expect(unseal(key, bound, sealed)).toStrictEqual(plain)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("unseal()", () => {
  const key = new Uint8Array(32).fill(1)
  const bound = text("here")
  const sealed = seal({ key, bound, nonce: new Uint8Array(24) }, text("value"))

  it("refuses every flipped bit, every cut, another place and another key", () => {
    for (let bit = 0; bit < 8 * sealed.length; bit++) {
      const damaged = Uint8Array.from(sealed)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(unseal(key, bound, damaged)).toBeUndefined()
    }
    for (let length = 0; length < sealed.length; length++)
      expect(unseal(key, bound, sealed.subarray(0, length))).toBeUndefined()
    expect(unseal(key, text("there"), sealed)).toBeUndefined()
    expect(unseal(new Uint8Array(32), bound, sealed)).toBeUndefined()
    expect(unseal(key, bound, sealed)).toEqual(text("value"))
  })
})

describe("deriveStoreKeys()", () => {
  const [master, id] = [new Uint8Array(32).fill(2), new Uint8Array(16).fill(3)]

  it("is HKDF-SHA256 as noble has it, with the database's id as salt", () => {
    const { valueKey, indexKey } = deriveStoreKeys(master, id)
    expect(valueKey).toEqual(hkdf(sha256, master, id, text("allium store values v1"), 32))
    expect(indexKey).toEqual(hkdf(sha256, master, id, text("allium store names v1"), 32))
  })

  it("gives another database other keys", () => {
    const other = deriveStoreKeys(master, new Uint8Array(16))
    expect(other.valueKey).not.toEqual(deriveStoreKeys(master, id).valueKey)
    expect(() => openValue(other, text("place"), new Uint8Array(50))).toThrow(
      expect.objectContaining({ code: "STORE_DAMAGED" }),
    )
  })
})
