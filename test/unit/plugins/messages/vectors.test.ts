/** The examples of docs/protocol/messages.md; their bytes were written by hand from the MessagePack specification. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { readAck, readText } from "../../../../plugins/messages/wire.ts"
import { frameRecord, RecordReader } from "../../../../src/base/records.ts"
import { projectRoot } from "../../../support/project.ts"

const id = Uint8Array.from({ length: 16 }, (_, index) => index)
const text = { kind: "text", id, sequence: 7, sentAt: 60_000, text: "hi" }
const ack = { kind: "ack", ids: [id] }
const ID_HEX = "c410000102030405060708090a0b0c0d0e0f"

describe("/messages/1", () => {
  it.each([
    [
      "text",
      text,
      readText,
      `0000003c85a46b696e64a474657874a26964${ID_HEX}a873657175656e636507a673656e744174cdea60a474657874a26869`,
    ],
    ["ack", ack, readAck, `0000002182a46b696e64a361636ba369647391${ID_HEX}`],
  ])("has the bytes of its page: %s", (_, record, read, hex) => {
    expect(Buffer.from(frameRecord(record)).toString("hex")).toBe(hex)
    const values = new RecordReader(1_000).push(Buffer.from(hex, "hex"))
    expect(values.map((value) => read(value))).toEqual([record])
    const page = readFileSync(join(projectRoot, "docs/protocol/messages.md"), "utf8")
    expect(page.replaceAll(/\s/g, "")).toContain(hex)
  })
})
