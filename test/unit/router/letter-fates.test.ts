import { describe, expect, it } from "vitest"
import type { LetterState } from "../../../src/mail/post/post.ts"
import { type LetterFates, openLetterFates } from "../../../src/router/letter-fates.ts"
import type { StoreRoom } from "../../../src/store/store.ts"
import { openHome } from "../identity/home.ts"

const KEY = "k".repeat(43)
const [one, other] = [`${KEY}.0`, `${KEY}.1`]
const letter = { topic: "notes", name: "note-1" }
const stored: LetterState = { kind: "stored", place: "tower" }
const delivered: LetterState = { kind: "delivered" }
const failed: LetterState = { kind: "failed", reason: "NO_CONTACT" }

async function open(): Promise<{ room: StoreRoom; fates: LetterFates }> {
  const room = (await openHome()).store.room("fates")
  const fates = await openLetterFates(room)
  const begun = fates.begin([one, other], letter)
  await room.commit(begun.changes)
  return { room, fates }
}

async function hear(
  { room, fates }: { room: StoreRoom; fates: LetterFates },
  peer: string,
  state: LetterState,
): Promise<boolean> {
  const { isNews, changes, done } = fates.hear(peer, letter, state)
  await room.commit(changes)
  done?.()
  return isNews
}

describe("a letter to two devices", () => {
  it("is stored once, and delivered once", async () => {
    const it = await open()
    expect(await hear(it, one, stored)).toBe(true)
    expect(await hear(it, other, stored)).toBe(false)
    expect(await hear(it, other, delivered)).toBe(true)
    expect(await hear(it, one, delivered)).toBe(false)
  })

  it("has not failed while the other device may have it", async () => {
    const it = await open()
    expect(await hear(it, one, failed)).toBe(false)
    expect(await hear(it, other, delivered)).toBe(true)
  })

  it("has failed when both did, and not when one has it", async () => {
    const both = await open()
    expect(await hear(both, one, failed)).toBe(false)
    expect(await hear(both, other, failed)).toBe(true)
    const half = await open()
    expect(await hear(half, one, delivered)).toBe(true)
    expect(await hear(half, other, failed)).toBe(false)
  })

  it("is remembered over a restart, and forgotten at its end", async () => {
    const { room, fates } = await open()
    await hear({ room, fates }, one, failed)
    const again = await openLetterFates(room)
    expect(await hear({ room, fates: again }, other, failed)).toBe(true)
    const empty = await openLetterFates(room)
    expect(empty.hear(one, letter, failed)).toEqual({ isNews: true, changes: [] })
  })
})

describe("a letter to one device", () => {
  it("passes through", async () => {
    const fates = await openLetterFates((await openHome()).store.room("fates"))
    expect(fates.hear(one, letter, stored).isNews).toBe(true)
    expect(fates.hear(one, letter, failed).isNews).toBe(true)
  })
})
