import { readFileSync } from "node:fs"
import { join } from "node:path"
import { ed25519 } from "@noble/curves/ed25519.js"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type HostLine, parseHostLine } from "../../../../src/router/names/host-line.ts"
import {
  checkInner,
  checkOuter,
  makeRecord,
  RECORD_ACTIONS,
} from "../../../../src/router/names/signed-record.ts"
import { parseDestination } from "../../../../src/sam/index.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { nameOwner } from "../../../support/name-people.ts"
import { projectRoot } from "../../../support/project.ts"

const PAGE = join(projectRoot, "test", "vectors", "names", "published.txt")
const PUBLISHED = readFileSync(PAGE, "utf8").split("\n")
const [site = "", zzz = "", postman = ""] = PUBLISHED.filter((line) => /^[a-z]/.test(line))

function named(text: string): Extract<HostLine, { kind: "name" }> {
  const line = parseHostLine(text)
  if (line.kind !== "name") throw new Error(`is ${JSON.stringify(line)}`)
  return line
}

const outer = (text: string) => {
  const { written, fields, address } = named(text)
  return checkOuter(written, fields, address)
}
const inner = (text: string) => checkInner(named(text).written, named(text).fields)

describe("records of the network", () => {
  it.each([
    ["the example of I2P's guide", site, "missing"],
    ["zzz.i2p, with an old destination that signs with DSA", zzz, "unverified"],
    ["tracker2.postman.i2p, with its fields in any order", postman, "unverified"],
  ])("are signed as they say: %s", (_, line, old) => {
    expect(outer(line)).toBe("valid")
    expect(inner(line)).toBe(old)
  })

  it.each([
    ["another name", (line: string) => line.replace("testwebsite", "testwebsites")],
    ["another date", (line: string) => line.replace("1762104890", "1762104891")],
    ["another field", (line: string) => `${line}#expires=1`],
    ["a cut signature", (line: string) => line.replace(/sig=....../, "sig=")],
    ["no base64", (line: string) => line.replace(/sig=./, "sig=!")],
    ["another destination", (line: string) => line.replace(/=.*#!/, `=${nameOwner(1).dest}#!`)],
  ])("are refused with %s", (_, damage) => {
    expect(damage(site)).not.toBe(site)
    expect(outer(damage(site))).toBe("bad")
  })
})

describe("makeRecord()", () => {
  const signer = (number: number) => ({
    destination: parseDestination(nameOwner(number).dest),
    sign: (message: Uint8Array) => ed25519.sign(message, new Uint8Array(32).fill(number)),
  })
  const owner = nameOwner(1)

  it("writes what another implementation of the specification writes", () => {
    const wish = { name: "a.i2p", owner: signer(1), dateS: 9 }
    expect(makeRecord({ ...wish, action: "add" })).toBe(owner.line("a.i2p", { date: "9" }))
    const change = { ...wish, action: "changedest", old: signer(2) } as const
    expect(makeRecord(change)).toBe(
      owner.line("a.i2p", { action: "changedest", date: "9" }, nameOwner(2)),
    )
    expect(makeRecord({ ...wish, action: "remove" })).toBe(
      owner.line("", { action: "remove", date: "9", dest: owner.dest, name: "a.i2p" }),
    )
  })

  it.each(RECORD_ACTIONS)("%s: what it writes can be read and is signed", (action) => {
    const needsName = ["addname", "changename", "addsubdomain"].includes(action)
    const needsOld = ["adddest", "changedest", "addsubdomain"].includes(action)
    const record = makeRecord({
      ...{ action, name: "a.b.i2p", owner: signer(1), dateS: 9 },
      ...(needsName && { oldName: "b.i2p" }),
      ...(needsOld && { old: signer(2) }),
    })
    const line = parseHostLine(record)
    if (line.kind === "command") expect(checkOuter("", line.fields, owner.dest)).toBe("valid")
    else expect([outer(record), inner(record)]).toEqual(["valid", needsOld ? "valid" : "missing"])
  })

  it.each([
    ["changedest without the old site", { action: "changedest" }],
    ["add with another name", { action: "add", oldName: "b.i2p" }],
    ["addname without the other name", { action: "addname" }],
    ["a subdomain of something else", { action: "addsubdomain", oldName: "c.i2p", old: signer(2) }],
  ] as const)("refuses %s", (_, wish) => {
    const given = { name: "a.b.i2p", owner: signer(1), dateS: 9, ...wish }
    expect(() => makeRecord(given)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }))
  })
})

describe("parseHostLine()", () => {
  it.each([
    ["", "empty"],
    ["# comment", "empty"],
    ["; comment", "empty"],
    ["#!action=remove#name=a.i2p", "command"],
    ["#!", "bad"],
    ["#!a=1#a=2", "bad"],
    [`#!${Array.from({ length: 33 }, (_, at) => `k${at}=1`).join("#")}`, "bad"],
    ["a.i2p", "bad"],
    ["a.i2p=AAAA", "bad"],
    ["example.com=AAAA", "bad"],
    [`a.i2p=${nameOwner(1).dest}`, "name"],
    [`a.i2p=${nameOwner(1).dest.slice(0, -1)}`, "bad"],
    [`a.i2p=${nameOwner(1).b32}`, "name"],
    [`a.i2p=${nameOwner(1).dest} # comment`, "name"],
    [`a.i2p=${nameOwner(1).dest}\0`, "bad"],
    ["x".repeat(4_097), "bad"],
  ])("reads %j as %s", (text, kind) => {
    expect(parseHostLine(text).kind).toBe(kind)
  })

  it("never throws, whatever a feed says", () => {
    const part = fc.constantFrom("a.i2p", "=", "#", "!", "sig", nameOwner(1).dest, "\0", "é", " ")
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: part }), fc.string({ unit: "binary" })), (text) => {
        const line = parseHostLine(text)
        if (line.kind === "name") checkOuter(line.written, line.fields, line.address)
      }),
      { numRuns: fuzzRuns(100) },
    )
  })
})
