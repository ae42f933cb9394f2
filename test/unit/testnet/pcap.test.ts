import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PcapReader, readFrame } from "../../support/testnet/pcap.ts"

const ethernet = (type: string) => `be01f65bb75bbe01f65bb75b${type}`
// Written by tcpdump 4.99.3 while Python's socket module sent a datagram, dialled, and sent over IPv6;
// the expected names are what tcpdump printed.
const udp4 = `${ethernet("0800")}4500001d5858400040117c3bcb007101c63364078a1700630009665778`
const tcp4 = `${ethernet("0800")}4500003c2bb840004006a8c7cb007101c6336407b49400508311beb400000000a002faf0666b0000020405b40402080a8841d76f000000000103030a`
const udp6 = `${ethernet("86dd")}6006cca50009114020010db800000000000000000000000120010db9000000000000000000000007cc7f006300095b9578`

/** A capture file around frames, as a little-endian machine writes it. */
function capture(frames: string[], { bigEndian = false } = {}): Buffer {
  const header = Buffer.from("d4c3b2a1020004000000000000000000ffff000001000000", "hex")
  const records = frames.map((hex) => {
    const frame = Buffer.from(hex, "hex")
    const head = Buffer.alloc(16)
    head.writeUInt32LE(frame.length, 8)
    head.writeUInt32LE(frame.length, 12)
    if (bigEndian) head.swap32()
    return Buffer.concat([head, frame])
  })
  return Buffer.concat([bigEndian ? header.swap32() : header, ...records])
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
      { numRuns: 10_000 },
    )
  })
})

describe("PcapReader.push()", () => {
  it.each([{ bigEndian: false }, { bigEndian: true }])(
    "reads a file, bigEndian: $bigEndian",
    (order) => {
      const heads = new PcapReader().push(capture([udp4, tcp4], order))
      expect(heads.map(({ to }) => to)).toEqual(["udp 198.51.100.7:99", "tcp 198.51.100.7:80"])
    },
  )

  it("gives the same packets however the bytes are cut", () => {
    const bytes = capture([udp4, tcp4, udp6])
    const whole = new PcapReader().push(bytes)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const reader = new PcapReader()
        const ends = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const heads = ends
          .slice(1)
          .flatMap((end, index) => reader.push(bytes.subarray(ends[index], end)))
        expect(heads).toEqual(whole)
      }),
      { numRuns: 10_000 },
    )
  })

  it.each([
    { damage: "another format", bytes: Buffer.alloc(24, 7), message: "begins with 7070707" },
    {
      damage: "an endless record",
      bytes: Buffer.concat([capture([]), Buffer.alloc(16, 255)]),
      message: "record of 4294967295 bytes",
    },
  ])("refuses $damage", ({ bytes, message }) => {
    expect(() => new PcapReader().push(bytes)).toThrow(message)
  })
})
