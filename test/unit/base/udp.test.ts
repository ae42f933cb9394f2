import fc from "fast-check"
import { afterEach, describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"
import {
  addTag,
  bindUdp,
  IdleMap,
  nextNumber,
  readTag,
  udpAddress,
} from "../../../src/base/udp/index.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

describe("addTag() and readTag()", () => {
  it("say which program, in eight bytes", () => {
    const tagged = addTag(0x1234, Buffer.from("hi"))
    expect(Buffer.from(tagged).toString("hex")).toBe("a1756470000112346869")
  })
  it("are each other's opposite, for any bytes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 65_535 }),
        fc.uint8Array({ maxLength: 64 }),
        (number, payload) => {
          const read = readTag(addTag(number, payload))
          expect([read.number, [...read.payload]]).toEqual([number, [...payload]])
        },
      ),
      { numRuns: fuzzRuns(200) },
    )
  })
  it.each(["", "a1756470000112", "a175647000021234", "68656c6c6f20776f726c64"])(
    "leave what has none as it is: %j",
    (hex) => {
      const bytes = Buffer.from(hex, "hex")
      expect(readTag(bytes)).toEqual({ number: undefined, payload: bytes })
      expect(addTag(undefined, bytes)).toBe(bytes)
    },
  )
})

describe("nextNumber()", () => {
  it("goes round, past those that are taken", () => {
    const taken = new Map([0, 1, 5].map((number) => [number, {}]))
    expect(nextNumber(4, taken)).toBe(6)
    expect(nextNumber(65_535, taken)).toBe(2)
  })
})

describe("IdleMap", () => {
  it("ends what is unused for so long, once, and everything at the end", async () => {
    const clock = new FakeClock()
    const over = new AbortController()
    const gone: string[] = []
    const options = { idleMs: 800, clock, signal: over.signal }
    const map = new IdleMap<string>({ ...options, onGone: (value) => void gone.push(value) })
    for (const key of ["a", "b", "c"]) map.set(key, key)
    await clock.pass(600)
    expect(map.get("a")).toBe("a")
    await clock.pass(300)
    expect(gone).toEqual(["b", "c"])
    map.set("a", "again")
    expect([...map.keys()]).toEqual(["a"])
    over.abort()
    await clock.pass(0)
    expect(gone).toEqual(["b", "c", "a", "again"])
  })
})

describe("bindUdp()", () => {
  const scope = new Scope()
  afterEach(() => scope.close())
  it("tells when a port is taken", async () => {
    const socket = await bindUdp({ host: "127.0.0.1", port: 0 })
    scope.defer(() => socket.close())
    const [host = "", port] = udpAddress(socket).split(":")
    const again = bindUdp({ host, port: Number(port) })
    await expect(again).rejects.toMatchObject({ code: "PORT_TAKEN" })
    const nowhere = bindUdp({ host: "192.0.2.1", port: 0 })
    await expect(nowhere).rejects.toMatchObject({ code: "LISTEN_FAILED" })
  })
})
