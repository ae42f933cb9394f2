import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatUdpAnswer, parseUdpRequest } from "../../../../tunnels/socks/udp-request.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const NAMED = "00000003066d652e693270003568656c6c6f"

describe("parseUdpRequest()", () => {
  it.each([
    { hex: NAMED, address: { kind: "name", name: "me.i2p" }, said: "03066d652e6932700035" },
    { hex: "00000001c6120001003568656c6c6f", address: { kind: "ipv4", ip: "198.18.0.1" } },
    { hex: `00000004${"00".repeat(16)}003568656c6c6f`, address: { kind: "ipv6" } },
  ])("reads $address.kind", ({ hex, address, said }) => {
    const read = parseUdpRequest(Buffer.from(hex, "hex"))!
    expect(read.address).toEqual(address)
    expect(Buffer.from(read.payload).toString()).toBe("hello")
    if (said !== undefined) expect(Buffer.from(read.said).toString("hex")).toBe(said)
    expect(Buffer.from(formatUdpAnswer(read.said, read.payload)).toString("hex")).toBe(hex)
  })

  it.each([
    { what: "nothing", hex: "" },
    { what: "a fragment", hex: NAMED.replace(/^000000/, "000001") },
    { what: "something in the reserved bytes", hex: NAMED.replace(/^0000/, "0100") },
    { what: "an unknown type", hex: NAMED.replace(/^00000003/, "00000002") },
    { what: "a name that is cut", hex: "00000003ff6d65" },
    { what: "no port", hex: "00000003066d652e69327000" },
    { what: "an address that is cut", hex: "00000001c61200" },
  ])("reads nothing from $what", ({ hex }) => {
    expect(parseUdpRequest(Buffer.from(hex, "hex"))).toBeUndefined()
  })

  it("an empty datagram is one", () => {
    expect(parseUdpRequest(Buffer.from("00000001c61200010035", "hex"))?.payload).toHaveLength(0)
  })

  it("B18: takes any bytes, and gives back what it could read", () => {
    const bytes = fc
      .tuple(fc.constantFrom([0, 0, 0], [0, 0, 1]), fc.uint8Array({ maxLength: 48 }))
      .map(([head, rest]) => Uint8Array.from([...head, ...rest]))
    fc.assert(
      fc.property(bytes, (given) => {
        const read = parseUdpRequest(given)
        if (read !== undefined)
          expect([...formatUdpAnswer(read.said, read.payload)]).toEqual([...given])
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})
