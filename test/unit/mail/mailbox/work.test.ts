import { scryptSync } from "node:crypto"
import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../../src/base/random.ts"
import { findWork, isWorkDone } from "../../../../src/mail/mailbox/work.ts"

const PUZZLE = {
  challenge: Uint8Array.from({ length: 32 }, (_, at) => at),
  id: new Uint8Array(16).fill(9),
  difficulty: 2,
}

describe("findWork()", () => {
  it("finds what scrypt over challenge, id and nonce shows", async () => {
    const signal = new AbortController().signal
    const nonce = await findWork(PUZZLE, { signal, random: systemRandom })
    expect(nonce).toHaveLength(12)
    expect(nonce.slice(0, 4)).toEqual(PUZZLE.challenge.slice(0, 4))
    const tried = Buffer.concat([PUZZLE.challenge, PUZZLE.id, nonce])
    const options = { N: 16_384, r: 8, p: 1, maxmem: 64 * 1_048_576 }
    expect(scryptSync(tried, "allium/mailbox/1/work", 32, options)[0]! >> 6).toBe(0)
    expect(await isWorkDone(PUZZLE, nonce)).toBe(true)
    expect(await isWorkDone({ ...PUZZLE, difficulty: 256 }, nonce)).toBe(false)
  })

  it("stops when its signal aborts, and leaves the event loop free", async () => {
    const abort = new AbortController()
    const impossible = { ...PUZZLE, difficulty: 255 }
    const searching = findWork(impossible, { signal: abort.signal, random: systemRandom })
    await new Promise((resolve) => setTimeout(resolve, 5))
    abort.abort(new Error("enough"))
    await expect(searching).rejects.toThrow("enough")
  })
})
