import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../src/base/random.ts"
import { checkKeys, generateKeys, parseSignatureType } from "../../../src/bridge/keys.ts"
import { SCHEMES } from "../../../src/bridge/signatures.ts"
import {
  decodeBase64,
  deriveDestinationKeys,
  encodeBase64,
  keyTypes,
  readDestinationKeys,
} from "../../../src/sam/index.ts"
import { offlineFile } from "./offline-file.ts"

const { privateKeyFile, destination } = deriveDestinationKeys(new Uint8Array(32).fill(7))

describe("generateKeys()", () => {
  it("makes Ed25519 files that the SAM client's own reader proves", () => {
    const made = generateKeys(7, systemRandom)
    const read = readDestinationKeys(decodeBase64(made.privateBase64))
    expect(read.destination).toEqual(made.destination)
    expect(read.destination.bytes).toHaveLength(391)
  })
  it("pads with one block over and over, as i2pd does", () => {
    const { bytes } = generateKeys(7, systemRandom).destination
    for (let at = 32; at < 352; at += 32)
      expect(bytes.slice(at, at + 32)).toEqual(bytes.slice(0, 32))
  })
  it.each([
    { type: 0, destinationBytes: 387, fileBytes: 663 },
    { type: 1, destinationBytes: 391, fileBytes: 391 + 256 + 32 },
    { type: 2, destinationBytes: 391, fileBytes: 391 + 256 + 48 },
    { type: 3, destinationBytes: 395, fileBytes: 395 + 256 + 66 },
    { type: 7, destinationBytes: 391, fileBytes: 679 },
  ])(
    "makes type $type as long as the specification says",
    ({ type, destinationBytes, fileBytes }) => {
      const made = generateKeys(type, systemRandom)
      expect(made.destination.bytes).toHaveLength(destinationBytes)
      expect(decodeBase64(made.privateBase64)).toHaveLength(fileBytes)
      expect(keyTypes(made.destination).signatureType).toBe(type)
      expect(checkKeys(made.privateBase64)).toEqual(made)
    },
  )
})

describe("SCHEMES", () => {
  it("has I2P's DSA group: q divides p - 1, and 1 gives the generator", () => {
    const dsa = SCHEMES.get(0)
    const one = new Uint8Array(20).fill(0, 0, 19)
    one[19] = 1
    const generator = Buffer.from(dsa?.publicKey(one) ?? []).toString("hex")
    // The first and last bytes of g as https://geti2p.net/spec/cryptography#dsa prints it.
    expect(generator).toMatch(/^0c1f4d27d40093b429e962d7/)
    expect(generator).toMatch(/93be4708cbcc82$/)
    expect(() => dsa?.publicKey(new Uint8Array(20))).toThrow(RangeError)
    expect(() => dsa?.publicKey(new Uint8Array(20).fill(255))).toThrow(RangeError)
  })
})

describe("parseSignatureType()", () => {
  it.each([
    ["7", 7],
    ["EdDSA_SHA512_Ed25519", 7],
    ["ECDSA_SHA256_P256", 1],
    ["DSA_SHA1", 0],
    [undefined, 0],
    ["99", undefined],
    ["", undefined],
    ["eddsa", undefined],
  ])("reads %s as %s", (text, type) => {
    expect(parseSignatureType(text)).toBe(type)
  })
})

describe("checkKeys()", () => {
  it("takes derived keys, with or without padding, and gives them back whole", () => {
    const text = encodeBase64(privateKeyFile)
    expect(checkKeys(text)?.privateBase64).toBe(text)
    expect(checkKeys(text.replaceAll("=", ""))?.privateBase64).toBe(text)
    expect(checkKeys(text.replaceAll("=", ""), true)).toBeUndefined()
  })
  it("takes a key file with an offline signature", () => {
    expect(offlineFile()).toHaveLength(813)
    expect(checkKeys(encodeBase64(offlineFile()))).toBeDefined()
  })
  it.each([
    { what: "an expiry that was changed", at: 0 },
    { what: "another transient key", at: 10 },
    { what: "a damaged signature", at: 40 },
    { what: "another transient private key", at: 110 },
  ])("refuses an offline signature with $what", ({ at }) => {
    const file = offlineFile((block) => block.writeUInt8((block[at] ?? 0) ^ 1, at))
    expect(checkKeys(encodeBase64(file))).toBeUndefined()
  })
  it.each([
    { what: "one byte too few", file: privateKeyFile.slice(0, -1) },
    { what: "one byte too many", file: Buffer.concat([privateKeyFile, new Uint8Array(1)]) },
    { what: "the destination alone", file: destination.bytes },
    { what: "nothing", file: new Uint8Array(0) },
    {
      what: "a seed of another key",
      file: privateKeyFile.map((byte, at) => (at === 678 ? byte ^ 1 : byte)),
    },
    {
      what: "a public key of another seed",
      file: privateKeyFile.map((byte, at) => (at === 360 ? byte ^ 1 : byte)),
    },
    {
      what: "zeros for a seed and no offline part",
      file: privateKeyFile.map((byte, at) => (at >= 647 ? 0 : byte)),
    },
    {
      what: "an unknown signature type",
      file: privateKeyFile.map((byte, at) => (at === 388 ? 99 : byte)),
    },
  ])("refuses $what", ({ file }) => {
    expect(checkKeys(encodeBase64(file))).toBeUndefined()
  })
})
