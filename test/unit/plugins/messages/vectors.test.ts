/** The examples of docs/protocol/messages.md; their bytes were written by hand from the MessagePack specification. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { packRecord, readRecord, unpackRecord } from "../../../../plugins/messages/wire.ts"
import { projectRoot } from "../../../support/project.ts"

const id = Uint8Array.from({ length: 16 }, (_, index) => index)
const ID_HEX = "c410000102030405060708090a0b0c0d0e0f"
const PAGE = readFileSync(join(projectRoot, "docs/protocol/messages.md"), "utf8")

describe("a record", () => {
  it.each([
    [
      { kind: "text", id, sentAt: 60_000, text: "hi" } as const,
      `85a17601a46b696e64a474657874a26964${ID_HEX}a673656e744174cdea60a474657874a26869`,
    ],
    [
      { kind: "react", target: id, emoji: "👍" } as const,
      `84a17601a46b696e64a57265616374a6746172676574${ID_HEX}a5656d6f6a69a4f09f918d`,
    ],
    [
      { kind: "delete", target: id } as const,
      `83a17601a46b696e64a664656c657465a6746172676574${ID_HEX}`,
    ],
    [{ kind: "timer", seconds: 60 } as const, "83a17601a46b696e64a574696d6572a77365636f6e64733c"],
  ])("has the bytes of its page: $kind", (record, hex) => {
    expect(Buffer.from(packRecord(record)).toString("hex")).toBe(hex)
    const read = readRecord(unpackRecord(new Uint8Array(Buffer.from(hex, "hex"))))
    expect(read).toEqual({ v: 1, ...record })
    expect(PAGE.replaceAll(/\s/g, "")).toContain(hex)
  })
})
