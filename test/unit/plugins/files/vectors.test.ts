/** The examples of docs/protocol/files.md; their bytes were written by hand from the MessagePack specification. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { readAnswer, readQuestion } from "../../../../plugins/files/wire.ts"
import { frameRecord, RecordReader } from "../../../../src/base/records.ts"
import { projectRoot } from "../../../support/project.ts"

const id = Uint8Array.from({ length: 16 }, (_, index) => index)
const content = new Uint8Array(Buffer.from("0123456789"))
const sha256 = sha(content)
const ID_HEX = "c410000102030405060708090a0b0c0d0e0f"

describe("/files/1", () => {
  it.each([
    [
      "offer",
      { kind: "offer", id, name: "a.txt", size: 10, sha256, root: sha(sha256) },
      readQuestion,
      `0000008286a46b696e64a56f66666572a26964${ID_HEX}a46e616d65a5612e747874a473697a650aa6736861323536c42084d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882a4726f6f74c420b1c4b79edaed1a737bff254f5325092f214b7595224b0552e0c0d04a9cbc3718`,
    ],
    [
      "get",
      { kind: "get", id, offset: 0, byteCount: 10, have: 0 },
      readQuestion,
      `0000003885a46b696e64a3676574a26964${ID_HEX}a66f666673657400a962797465436f756e740aa46861766500`,
    ],
    [
      "data",
      { kind: "data", id, offset: 0, bytes: content },
      readAnswer,
      `0000003a84a46b696e64a464617461a26964${ID_HEX}a66f666673657400a56279746573c40a30313233343536373839`,
    ],
  ])("has the bytes of its page: %s", (_, record, read, hex) => {
    expect(Buffer.from(frameRecord(record)).toString("hex")).toBe(hex)
    const values = new RecordReader(1_000).push(Buffer.from(hex, "hex"))
    expect(values.map((value) => read(value))).toEqual([record])
    const page = readFileSync(join(projectRoot, "docs/protocol/files.md"), "utf8")
    expect(page.replaceAll(/\s/g, "")).toContain(hex)
  })
})

function sha(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest())
}
