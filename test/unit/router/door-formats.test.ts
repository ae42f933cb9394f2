import { readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { LONE_PAYLOAD_BYTES } from "../../../src/mail/envelope/lone.ts"
import type { Place } from "../../../src/mail/post/post.ts"
import { readAnswer, writeYes } from "../../../src/router/door-answers.ts"
import { GREETING_BYTES, readGreeting, writeGreeting } from "../../../src/router/door-greeting.ts"
import { type DoorRequest, readRequest, writeRequest } from "../../../src/router/door-request.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { projectRoot } from "../../support/project.ts"

const read = (name: string) =>
  JSON.parse(readFileSync(join(projectRoot, "test", "vectors", "door", name), "utf8"))
const inputs = read("inputs.json")
const vectors = read("doors.json")
const unhex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

const { owner, asker, nowMs } = inputs
const sendId = unhex(inputs.tower.sendId)
const address = {
  key: owner.key as string,
  tower: {
    key: inputs.tower.key as string,
    address: inputs.tower.address as string,
    sendId: Buffer.from(sendId).toString("base64url"),
  },
}
const place: Place = {
  kind: "tower",
  key: inputs.tower.key,
  address: inputs.tower.address,
  sendId,
  moveKey: unhex(inputs.tower.moveKey),
}
const placeOf = (one: unknown): Place => (one === "self" ? { kind: "self" } : place)
const bundle = unhex(asker.bundle)
const from = { person: bundle.slice(1, 129) }
const request = (change: Partial<DoorRequest> = {}): DoorRequest => ({
  card: asker.card,
  greeting: "hello",
  introduction: { bundle, places: [place] },
  ...change,
})
const greeting = unhex(vectors.greeting)

describe("a greeting at a door", () => {
  it("is what Python makes of the specification", async () => {
    const random = () => unhex(inputs.greetingNonce)
    const written = { bundle: unhex(owner.bundle), card: owner.card }
    expect(writeGreeting({ key: owner.key, sendId }, written, random)).toEqual(greeting)
    expect(greeting).toHaveLength(GREETING_BYTES)
    const found = await readGreeting(address, greeting, nowMs)
    expect(found.bundle).toEqual(unhex(owner.bundle))
    expect(found.card).toMatchObject({ key: owner.key, door: inputs.tower.address })
  })

  it("shows a tower neither key nor address of its owner", () => {
    const text = Buffer.from(greeting).toString("latin1")
    expect(text).not.toContain("eyJ")
    expect(text).not.toContain(Buffer.from(owner.key, "base64url").toString("latin1"))
  })

  it.each([
    { what: "a bit", change: (bytes: Uint8Array) => bytes.with(100, bytes[100]! ^ 1) },
    { what: "the nonce", change: (bytes: Uint8Array) => bytes.with(0, 0) },
    { what: "its length", change: (bytes: Uint8Array) => bytes.subarray(1) },
  ])("is refused with $what changed", async ({ change }) => {
    const read = readGreeting(address, change(greeting), nowMs)
    await expect(read).rejects.toMatchObject({ code: "BAD_RECORD" })
  })

  it("is refused at another door, of another key, at another tower, or with another's bundle", async () => {
    const other = { ...address.tower, sendId: Buffer.alloc(32, 1).toString("base64url") }
    const elsewhere = { ...address.tower, address: `${"a".repeat(52)}.b32.i2p` }
    const random = () => new Uint8Array(24)
    const mixed = writeGreeting({ key: owner.key, sendId }, { bundle, card: owner.card }, random)
    for (const reading of [
      readGreeting({ ...address, tower: other }, greeting, nowMs),
      readGreeting({ ...address, key: asker.key }, greeting, nowMs),
      readGreeting({ ...address, tower: elsewhere }, greeting, nowMs),
      readGreeting(address, mixed, nowMs),
    ])
      await expect(reading).rejects.toMatchObject({ code: "BAD_RECORD" })
    const late = readGreeting(address, greeting, nowMs + 400 * 86_400_000)
    await expect(late).rejects.toMatchObject({ code: "CARD_EXPIRED" })
  })

  it("of any content is read or refused", async () => {
    const random = () => new Uint8Array(24)
    const mutation = fc.record({ at: fc.nat(1_600), value: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(mutation, async ({ at, value }) => {
        const card = Buffer.from(owner.card)
        card[Math.max(0, at - 1_400) % card.length] = value
        const changed = at < 1_441 ? unhex(owner.bundle).with(at, value) : unhex(owner.bundle)
        const written = { bundle: changed, card: card.toString("latin1") }
        const sealed = writeGreeting({ key: owner.key, sendId }, written, random)
        await readGreeting(address, sealed, nowMs).catch(expectAlliumError)
      }),
      { numRuns: fuzzRuns(40) },
    )
  })
})

describe("a request at a door", () => {
  it.each(vectors.requests as { greeting: string; places: unknown[]; payload: string }[])(
    "is what Python makes of the specification: $greeting",
    async ({ greeting: words, places, payload }) => {
      const introduction = { bundle, places: places.map(placeOf) }
      const written = writeRequest(request({ greeting: words, introduction }))
      expect(Buffer.from(written).toString("hex")).toBe(payload)
      const found = await readRequest(from, unhex(payload), nowMs)
      expect(found).toMatchObject({ key: asker.key, greeting: words, introduction })
      expect(found.card).toMatchObject({ name: "Ann Ångström" })
    },
  )

  it("has room for 500 characters of any script, and leaves out places before words", async () => {
    const places = [place, place, place, { kind: "self" } as const]
    const words = "集".repeat(500)
    const full = writeRequest(request({ greeting: words, introduction: { bundle, places } }))
    const found = await readRequest(from, full, nowMs)
    expect(found.greeting).toBe(words)
    expect(found.introduction.places).toEqual([place])
    const short = writeRequest(request({ introduction: { bundle, places } }))
    expect((await readRequest(from, short, nowMs)).introduction.places).toEqual(places)
  })

  it("that does not fit is refused before it is asked", () => {
    const card = `${asker.card.split(".")[0]}.${"A".repeat(800)}.${asker.card.split(".")[2]}`
    expect(() => writeRequest(request({ card, greeting: "集".repeat(500) }))).toThrow(
      expect.objectContaining({ code: "TOO_LARGE" }),
    )
  })

  it("by somebody else's hand, with another's bundle or an old card is refused", async () => {
    const payload = writeRequest(request())
    const bob = { person: unhex(owner.bundle).slice(1, 129) }
    await expect(readRequest(bob, payload, nowMs)).rejects.toMatchObject({ code: "BAD_BUNDLE" })
    const late = readRequest(from, payload, nowMs + 400 * 86_400_000)
    await expect(late).rejects.toMatchObject({ code: "CARD_EXPIRED" })
    const card = writeRequest(request({ card: owner.card }))
    await expect(readRequest(from, card, nowMs)).rejects.toMatchObject({ code: "BAD_CARD" })
  })

  it("of any bytes is read or refused", async () => {
    const whole = writeRequest(request())
    const place = fc.record({ at: fc.nat(2_786), value: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(fc.array(place, { minLength: 1, maxLength: 3 }), async (changes) => {
        const damaged = changes.reduce((bytes, { at, value }) => bytes.with(at, value), whole)
        await readRequest(from, damaged, nowMs).catch(expectAlliumError)
      }),
      { numRuns: fuzzRuns(60) },
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: LONE_PAYLOAD_BYTES }), async (bytes) => {
        const seemly = Buffer.concat([whole.subarray(0, 1_313), bytes])
        await readRequest(from, seemly, nowMs).catch(expectAlliumError)
      }),
      { numRuns: fuzzRuns(60) },
    )
  })
})

describe("an answer", () => {
  it("says yes with a card, and is nothing else", () => {
    expect(readAnswer(writeYes("card"))).toEqual({ v: 1, kind: "accepted", card: "card" })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(readAnswer(bytes)).toBeUndefined()
      }),
      { numRuns: fuzzRuns(100) },
    )
  })
})

function expectAlliumError(error: unknown): void {
  if (!isAlliumError(error)) throw error
}
