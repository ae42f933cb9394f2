import { randomBytes } from "node:crypto"
import { describe, expect, it } from "vitest"
import { forget } from "../../../src/base/forget.ts"

describe("forget()", () => {
  it("ends a long buffer at once", () => {
    for (let time = 0; time < 3; time++) {
      const bytes = new Uint8Array(65_536).fill(7)
      forget(bytes)
      expect([bytes.length, bytes.buffer.byteLength]).toEqual([0, 0])
    }
  })

  it("leaves what is part of something longer, or short", () => {
    const whole = new Uint8Array(65_536).fill(7)
    forget(whole.subarray(1))
    forget(whole.subarray(0, 32_768))
    expect(whole.every((byte) => byte === 7)).toBe(true)
    const short = Buffer.from("a word")
    forget(short)
    expect(short.toString()).toBe("a word")
  })

  it("leaves memory that threads share", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(65_536))
    forget(shared)
    expect(shared).toHaveLength(65_536)
  })

  it("gives memory back without waiting for V8", () => {
    const before = process.memoryUsage().arrayBuffers
    for (let count = 0; count < 256; count++) forget(Buffer.allocUnsafeSlow(65_536))
    const kept = randomBytes(65_536)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * kept.length)
  })
})
