import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../../src/base/errors.ts"
import { openAgreementKey } from "../../../../src/base/x25519.ts"
import { openBytes, sealBytes } from "../../../../src/mail/envelope/aead.ts"
import {
  encapsulateFor,
  isSoundKey,
  openHybridKeys,
} from "../../../../src/mail/envelope/hybrid-keys.ts"
import { hkdf, stepChain } from "../../../../src/mail/envelope/kdf.ts"
import { hex, readVectors, toHex } from "./vectors.ts"

interface Tests<T> {
  readonly tests: readonly T[]
}

interface Case {
  readonly tcId: number
  readonly result: "valid" | "invalid" | "acceptable"
}

describe("openAgreementKey()", () => {
  it("agrees as in RFC 7748, 6.1", () => {
    const alice = openAgreementKey(hex(ALICE))
    const bob = openAgreementKey(hex(BOB))
    expect(toHex(alice.publicKey)).toBe(ALICE_PUBLIC)
    expect(toHex(bob.publicKey)).toBe(BOB_PUBLIC)
    expect(toHex(alice.agree(bob.publicKey))).toBe(SHARED)
    expect(toHex(bob.agree(alice.publicKey))).toBe(SHARED)
  })

  it("comes to the same after 1,000 rounds as RFC 7748, 5.2", () => {
    let [k, u] = [hex(`09${"00".repeat(31)}`), hex(`09${"00".repeat(31)}`)]
    for (let round = 0; round < 1_000; round++) [k, u] = [openAgreementKey(k).agree(u), k]
    expect(toHex(k)).toBe("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
  })

  const { tests } =
    readVectors<Tests<Case & Record<"public" | "private" | "shared", string>>>("wycheproof-x25519")
  it.each(tests)("holds Wycheproof $tcId $flags", (test) => {
    const key = openAgreementKey(hex(test.private))
    if (/^0+$/.test(test.shared))
      expect(() => key.agree(hex(test.public))).toThrow(
        expect.objectContaining({ code: "BAD_KEY" }),
      )
    else expect(toHex(key.agree(hex(test.public)))).toBe(test.shared)
  })
})

describe("sealBytes() and openBytes()", () => {
  it("seal as in RFC 8439, 2.8.2", () => {
    const text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    const place = {
      key: hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
      nonce: hex("070000004041424344454647"),
      bound: hex("50515253c0c1c2c3c4c5c6c7"),
    }
    const sealed = sealBytes(place, new TextEncoder().encode(text))
    expect(toHex(sealed)).toBe(toHex(hex(SUNSCREEN)))
    expect(new TextDecoder().decode(openBytes(place, sealed))).toBe(text)
  })

  const { tests } = readVectors<
    Tests<Case & Record<"key" | "iv" | "aad" | "msg" | "ct" | "tag", string>>
  >("wycheproof-chacha20-poly1305")
  it.each(tests)("hold Wycheproof $tcId $flags", (test) => {
    const place = { key: hex(test.key), nonce: hex(test.iv), bound: hex(test.aad) }
    const sealed = hex(test.ct + test.tag)
    const opened = openBytes(place, sealed)
    if (test.result === "invalid") return expect(opened).toBeUndefined()
    expect(toHex(opened!)).toBe(test.msg)
    expect(toHex(sealBytes(place, hex(test.msg)))).toBe(test.ct + test.tag)
  })

  it("open nothing shorter than a tag", () => {
    const place = { key: new Uint8Array(32), nonce: new Uint8Array(12), bound: new Uint8Array() }
    expect(openBytes(place, new Uint8Array(15))).toBeUndefined()
  })
})

describe("hkdf()", () => {
  it.each([
    {
      name: "A.1",
      ikm: "0b".repeat(22),
      salt: "000102030405060708090a0b0c",
      info: "f0f1f2f3f4f5f6f7f8f9",
      okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    },
    {
      name: "A.3",
      ikm: "0b".repeat(22),
      salt: "",
      info: "",
      okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    },
  ])("derives as in RFC 5869, $name", ({ ikm, salt, info, okm }) => {
    const given = { salt: hex(salt), info: hex(info), byteCount: okm.length / 2 }
    expect(toHex(hkdf(hex(ikm), given))).toBe(okm)
  })

  const { tests } =
    readVectors<Tests<Case & Record<"ikm" | "salt" | "info" | "okm", string> & { size: number }>>(
      "wycheproof-hkdf-sha256",
    )
  it.each(tests)("holds Wycheproof $tcId $flags $comment", ({ ikm, salt, info, size, okm }) => {
    const given = { salt: hex(salt), info: hex(info), byteCount: size }
    expect(toHex(hkdf(hex(ikm), given))).toBe(okm)
  })
})

describe("stepChain()", () => {
  it("is HMAC-SHA-256 of 1 and of 2, of which RFC 4231 knows neither, so noble does", async () => {
    const { hmac } = await import("@noble/hashes/hmac.js")
    const { sha256 } = await import("@noble/hashes/sha2.js")
    const key = new Uint8Array(32).fill(7)
    const { messageKey, chainKey } = stepChain(key)
    expect(messageKey).toEqual(hmac(sha256, key, Uint8Array.of(1)))
    expect(chainKey).toEqual(hmac(sha256, key, Uint8Array.of(2)))
  })
})

describe("openHybridKeys()", () => {
  const x25519 = "01".repeat(32)
  const kemPart = (key: Uint8Array) => toHex(key.subarray(32))

  const { keygen, encaps, decaps } = readVectors<{
    keygen: readonly (Case & Record<"seed" | "ek", string>)[]
    encaps: readonly (Case & Record<"m" | "ek" | "c" | "K", string>)[]
    decaps: readonly (Case & Record<"seed" | "ek" | "c" | "K", string>)[]
  }>("wycheproof-mlkem-768")

  it.each(keygen)("makes the keys of Wycheproof $tcId", ({ seed, ek }) => {
    expect(kemPart(openHybridKeys(hex(x25519 + seed)).publicKey)).toBe(ek)
  })

  it.each(encaps)("encapsulates as Wycheproof $tcId: $result", ({ ek, m, c, K, result }) => {
    const key = hex(x25519 + ek)
    expect(isSoundKey(key)).toBe(result === "valid")
    if (result !== "valid") return
    const { ciphertext, shared } = encapsulateFor(key, () => hex(m))
    expect([toHex(ciphertext), toHex(shared)]).toEqual([c, K])
  })

  it.each(decaps)("decapsulates as Wycheproof $tcId $comment", ({ seed, ek, c, K }) => {
    const keys = openHybridKeys(hex(x25519 + seed))
    expect(kemPart(keys.publicKey)).toBe(ek)
    expect(toHex(keys.decapsulate(hex(c)))).toBe(K)
  })

  it("thinks of keys as noble does", () => {
    const { publicKey } = openHybridKeys(new Uint8Array(96).fill(5))
    for (const [at, byte] of [
      [32, 0xff],
      [33, 0xff],
      [34, 0xff],
      [1_183, 0xff],
      [1_184, 0xff],
      [1_215, 0xff],
    ] as const) {
      const damaged = Uint8Array.from(publicKey)
      damaged[at] = byte
      expect(isSoundKey(damaged)).toBe(isSoundForNoble(damaged))
    }
    expect(isSoundKey(publicKey.subarray(1))).toBe(false)
  })

  it("refuses secrets of another length", () => {
    expect(() => openHybridKeys(new Uint8Array(95))).toThrow(RangeError)
  })
})

function isSoundForNoble(key: Uint8Array): boolean {
  try {
    ml_kem768.encapsulate(key.subarray(32))
    return true
  } catch (error) {
    return isAlliumError(error)
  }
}

const ALICE = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
const ALICE_PUBLIC = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
const BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
const BOB_PUBLIC = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
const SHARED = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
const SUNSCREEN = `
  d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
  92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116
  1ae10b594f09e26a7e902ecbd0600691`
