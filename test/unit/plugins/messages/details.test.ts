import { describe, expect, it } from "vitest"
import * as care from "../../../../plugins/messages/care-offers.ts"
import { detailsOf, timeOf } from "../../../../plugins/messages/details.ts"
import { type MessageDocument, messageShape } from "../../../../plugins/messages/document.ts"
import * as offers from "../../../../plugins/messages/offers.ts"
import { writeDocument } from "../../../../src/cli/print.ts"
import { ask, listAll, openMessagePair, say } from "../../../support/message-pair.ts"

const NOW_MS = Date.UTC(2026, 0, 1)
const plain: MessageDocument = {
  ...{ number: 4, id: "00".repeat(16), identity: "ann", contact: "bob", direction: "out" },
  ...{ state: "delivered", text: "hi", sentAt: "2026-01-01T00:00:00.000Z" },
  ...{ unread: false, muted: false },
}
const film = {
  transfer: "11".repeat(16),
  name: "film.mkv",
  size: 12_582_912,
  kind: "file",
} as const
const reached = { members: 3, stored: 0, delivered: 2, failed: 0 }

describe("detailsOf()", () => {
  it.each<[string, Partial<MessageDocument>, number?]>([
    ["", {}],
    ["reply to 1", { replyTo: "22".repeat(16) }, 1],
    ["reply to a message that is not here", { replyTo: "22".repeat(16) }],
    ["edited", { editedAt: "2026-01-01T00:00:00.000Z" }],
    ["film.mkv 12 MiB, a 0 B", { attachments: [film, { ...film, name: "a", size: 0 }] }],
    ["a 1.5 KiB", { attachments: [{ ...film, name: "a", size: 1_536 }] }],
    ["👍 bob, 🎉 ann", { reactions: [by("bob", "👍"), by("ann", "🎉")] }],
    ["gone 1 h after delivery", { expiresS: 3_600 }],
    ["gone 1 h after reading", { expiresS: 3_600, direction: "in" }],
    ["gone in 59 min", { expiresS: 3_600, expiresAt: "2026-01-01T00:59:00.000Z" }],
    ["gone in 0 s", { expiresS: 3_600, expiresAt: "2025-01-01T00:59:00.000Z" }],
    ["NO_CONTACT", { state: "failed", reason: "NO_CONTACT" }],
    ["2 of 3 have it", { reached }],
    ["2 of 3 have it, 1 of 3 will not get it", { reached: { ...reached, failed: 1 } }],
    ["", { reached: { ...reached, delivered: 3 } }],
    ["", { reached: { ...reached, delivered: 0 } }],
  ])("says %j", (line, more, repliesTo) => {
    const told = messageShape.parse({ ...plain, ...more })
    expect(detailsOf(told, { repliesTo, nowMs: NOW_MS })).toBe(line)
  })

  function by(name: string, emoji: string) {
    return { by: name, emoji }
  }
})

describe("timeOf()", () => {
  it.each([
    [0, "0 s"],
    [19.2, "20 s"],
    [60, "1 min"],
    [90, "90 s"],
    [3_540, "59 min"],
    [3_600, "1 h"],
    [7_000, "117 min"],
    [86_400, "1 d"],
    [604_800, "7 d"],
  ])("writes %d as %s", (seconds, text) => {
    expect(timeOf(seconds)).toBe(text)
  })
})

describe("message list, as people see it", () => {
  it("shows reactions, replies, edits and what disappears, and no empty column", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await say(ann, "when?")
    await say(bob, "at eight", { replyTo: "1" })
    await say(ann, "secret", { expire: "1h" })
    await ask(bob, "edit", { contact: "ann", message: "2", text: "at nine" })
    await ask(bob, "react", { contact: "ann", message: "1", emoji: "👍" })
    await settle()
    const [head, ...lines] = writeDocument(await listAll(ann), offers.listOffer.display)
    expect(head).toBe("number  sentAt            contact  state      details             text")
    expect(lines.map((line) => line.slice(35))).toEqual([
      "delivered  👍 bob              when?",
      "received   reply to 1, edited  at nine",
      "delivered  gone in 1 h         secret",
    ])
  })

  it("watches the same", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await say(ann, "when?")
    await ask(bob, "react", { contact: "ann", message: "1", emoji: "👍" })
    await settle()
    await ask(ann, "edit", { contact: "bob", message: "1", text: "where?" })
    await settle()
    expect(ann.told("edited")).toMatchObject([{ details: "👍 bob" }])
    const [told] = ann.told("reacted")
    const [line] = writeDocument(told, offers.watchOffer.display)
    expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d {2}bob {2}1 {2}reacted {2}👍 bob {2}when\?$/)
  })
})

describe("every verb about one conversation", () => {
  it("takes the contact or group by its place", () => {
    const all = [...Object.values(offers), ...Object.values(care)].flatMap((one) =>
      "verb" in one && "contact" in one.input.shape ? [one] : [],
    )
    expect(all.length).toBeGreaterThan(12)
    for (const { verb, positional } of all)
      expect({ verb, positional }).toMatchObject({
        positional: expect.arrayContaining(["contact"]),
      })
  })
})
