import { describe, expect, it } from "vitest"
import { parseAddress } from "../../../src/sam/address.ts"
import { deriveDestinationKeys } from "../../../src/sam/derive.ts"
import { signingKey } from "../../../src/sam/destination.ts"
import {
  encryptedAddress,
  encryptedOptions,
  isReaderKey,
  newReaderKey,
  READERS_MAX,
  readerOptions,
} from "../../../src/sam/reader-keys.ts"
import { sessionRequest } from "../../../src/sam/requests.ts"
import { optionValues } from "../../../src/sam/session-options.ts"

describe("reader keys", () => {
  it("are 128 bits each, in 26 letters", () => {
    const keys = Array.from({ length: 100 }, newReaderKey)
    expect(new Set(keys).size).toBe(100)
    expect(keys.every(isReaderKey)).toBe(true)
    for (const bad of ["", "a".repeat(25), "a".repeat(27), "A".repeat(26), `${"a".repeat(25)}b`])
      expect(isReaderKey(bad)).toBe(false)
  })

  it("are the same pre-shared key for who reads and who is read", () => {
    const key = newReaderKey()
    const [, mine = ""] = encryptedOptions([key])["i2cp.leaseSetClient.psk.0"]!.split(":")
    expect(mine).toBe(readerOptions(key)["i2cp.leaseSetPrivKey"])
    expect(mine).toMatch(/^[A-Za-z0-9~-]{43}=$/)
  })

  it("fit a SESSION CREATE with as many as there may be: i2pd reads 8,192 bytes", () => {
    const options = encryptedOptions(Array.from({ length: READERS_MAX }, newReaderKey))
    const values: [string, string][] = [
      ["DESTINATION", "A".repeat(1_000)],
      ...optionValues(options),
    ]
    expect(sessionRequest("CREATE", values).line!.length).toBeLessThan(8_192)
  })

  it.each([[[]], [["x"]], [Array.from({ length: READERS_MAX + 1 }, newReaderKey)]])(
    "are refused when damaged, none or too many",
    (keys) => {
      expect(() => encryptedOptions(keys)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }))
    },
  )
})

describe("encryptedAddress()", () => {
  it("holds the signing key, to be blinded to RedDSA, and says that readers need a key", () => {
    const { destination } = deriveDestinationKeys(new Uint8Array(32).fill(1))
    expect(parseAddress(encryptedAddress(destination))).toEqual({
      ...{ kind: "blinded", publicKey: signingKey(destination), signatureType: 7 },
      ...{ blindedSignatureType: 11, secretRequired: false, clientKeyRequired: true },
    })
  })
})

describe("sessionRequest()", () => {
  it("knows a router that cannot encrypt by its refusal, and only then", () => {
    const refusal = 'SESSION STATUS RESULT=I2P_ERROR MESSAGE="no"'
    const code = (values: [string, string][]) => {
      try {
        sessionRequest("CREATE", values).read(refusal)
      } catch (error) {
        return (error as { code: string }).code
      }
      return undefined
    }
    expect(code(optionValues(encryptedOptions([newReaderKey()])))).toBe("SESSION_NOT_SUPPORTED")
    expect(code(optionValues())).toBe("BRIDGE_FAILED")
  })
})
