/** The part of the contract that needs no session: greeting, and keys. */
import { describe, expect, it } from "vitest"
import { decodeBase64, parseDestination, readDestinationKeys } from "../../../src/sam/index.ts"
import { field, type RawSam } from "./raw-client.ts"

/** @param open - Connects; says HELLO unless told not to. */
export function describeBasics(open: (hello?: false) => Promise<RawSam>): void {
  describe("HELLO", () => {
    it("agrees on 3.1 when that is the only one offered", async () => {
      await using sam = await open(false)
      expect(await sam.ask("HELLO VERSION MIN=3.1 MAX=3.1")).toBe(
        "HELLO REPLY RESULT=OK VERSION=3.1",
      )
    })
    it("says NOVERSION to versions nobody knows, and closes", async () => {
      await using sam = await open(false)
      expect(await sam.ask("HELLO VERSION MIN=9.1 MAX=9.9")).toBe("HELLO REPLY RESULT=NOVERSION")
      await sam.closed()
    })
    it("closes on whoever does not begin with it", async () => {
      await using sam = await open(false)
      sam.tell("DEST GENERATE SIGNATURE_TYPE=7")
      await sam.closed()
    })
  })

  describe("DEST GENERATE", () => {
    it("makes an Ed25519 destination whose private key file our reader proves", async () => {
      await using sam = await open()
      const reply = await sam.ask("DEST GENERATE SIGNATURE_TYPE=7")
      expect(reply).toMatch(/^DEST REPLY PUB=/)
      const file = readDestinationKeys(decodeBase64(field(reply, "PRIV") ?? ""))
      expect(file.destination.base64).toBe(field(reply, "PUB"))
      expect(file.destination.bytes).toHaveLength(391)
    })
    it("makes DSA keys for those who name no type", async () => {
      await using sam = await open()
      const reply = await sam.ask("DEST GENERATE")
      expect(parseDestination(field(reply, "PUB") ?? "").bytes).toHaveLength(387)
      expect(decodeBase64(field(reply, "PRIV") ?? "")).toHaveLength(387 + 256 + 20)
    })
  })
}
