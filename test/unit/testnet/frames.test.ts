import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { fuzzRuns } from "../../support/fuzz.ts"
import { FrameReader, readFrame } from "../../support/testnet/frames.ts"

const ethernet = (type: string) => `be01f65bb75bbe01f65bb75b${type}`
// Written by tcpdump 4.99.3 while Python's socket module sent a datagram, dialled, and sent over IPv6;
// the expected names are what tcpdump printed.
const udp4 = `${ethernet("0800")}4500001d5858400040117c3bcb007101c63364078a1700630009665778`
const tcp4 = `${ethernet("0800")}4500003c2bb840004006a8c7cb007101c6336407b49400508311beb400000000a002faf0666b0000020405b40402080a8841d76f000000000103030a`
const udp6 = `${ethernet("86dd")}6006cca50009114020010db800000000000000000000000120010db9000000000000000000000007cc7f006300095b9578`

/** What the capture writes for these frames. */
function capture(frames: string[]): Buffer {
  const length = (hex: string) => (hex.length / 2).toString(16).padStart(4, "0")
  return Buffer.from(frames.map((hex) => length(hex) + hex).join(""), "hex")
}

describe("readFrame()", () => {
  it.each([
    { frame: udp4, to: "udp 198.51.100.7:99", from: "203.0.113.1:35351" },
    { frame: tcp4, to: "tcp 198.51.100.7:80", from: "203.0.113.1:46228" },
    { frame: udp6, to: "udp [2001:db9::7]:99", from: "[2001:db8::1]:52351" },
    { frame: udp4.slice(0, 68), to: "udp 198.51.100.7", from: "203.0.113.1" }, // cut after the addresses
    {
      frame: udp4.replace("40117c3b", "40017c3b"),
      to: "protocol 1 198.51.100.7",
      from: "203.0.113.1",
    },
    { frame: udp4.replace("58584000", "58580040"), to: "udp 198.51.100.7", from: "203.0.113.1" }, // later fragment
    { frame: `${ethernet("0806")}0001`, to: "frame 0806", from: "" },
    { frame: "aac781", to: "frame too short", from: "" },
  ])("names $to", ({ frame, ...head }) => {
    expect(readFrame(Buffer.from(frame, "hex"))).toEqual(head)
  })

  it("survives any bytes", () => {
    const anyFrame = fc.tuple(
      fc.constantFrom("0800", "86dd", "0806"),
      fc.uint8Array({ maxLength: 200 }),
    )
    fc.assert(
      fc.property(anyFrame, ([type, bytes]) => {
        const head = readFrame(Buffer.concat([Buffer.from(ethernet(type), "hex"), bytes]))
        expect(head.to).not.toBe("")
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("FrameReader.push()", () => {
  it("gives the same packets however the bytes are cut", () => {
    const bytes = capture([udp4, tcp4, udp6])
    const whole = [udp4, tcp4, udp6].map((hex) => readFrame(Buffer.from(hex, "hex")))
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const reader = new FrameReader()
        const ends = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const heads = ends
          .slice(1)
          .flatMap((end, index) => reader.push(bytes.subarray(ends[index], end)))
        expect(heads).toEqual(whole)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })

  it("refuses a frame longer than was asked for", () => {
    const bytes = Buffer.from("0101", "hex")
    expect(() => new FrameReader().push(bytes)).toThrow("frame of 257 bytes, expected 256 at most")
  })
})
