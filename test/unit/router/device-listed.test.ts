import { describe, expect, it } from "vitest"
import type { Identity } from "../../../src/identity/identity.ts"
import {
  answerListed,
  askListed,
  LISTED_PROTOCOL,
  type ListedTools,
} from "../../../src/router/device-listed.ts"
import { deriveDestinationKeys } from "../../../src/sam/derive.ts"
import { joinChannels } from "../../support/fake-channel.ts"
import { FakeWorld } from "../../support/fake-world.ts"

const SEED = new Uint8Array(32).fill(7)
const THEIRS = deriveDestinationKeys(SEED).destination.b32
const OTHER = deriveDestinationKeys(new Uint8Array(32).fill(8)).destination.b32

/** A first device that gave number 2 away once, to {@linkcode THEIRS}, and took it back. */
const tools = {
  own: { wasUnlinked: (_: unknown, number: number) => number === 2 },
  identities: { deviceSecrets: () => ({ destination: SEED }) },
} as unknown as ListedTools

/** Two ends of a channel, the second of which the device answers. */
function asking(from: { address?: string; device?: number; by?: number }) {
  const [ours, theirs] = joinChannels(LISTED_PROTOCOL, new FakeWorld())
  for (const side of [ours, theirs]) side.on("error", () => {})
  const { address = THEIRS, device, by = 0 } = from
  const arrival = { identity: { device: by } as Identity, peerKey: "", peerAddress: address }
  const answered = answerListed({ ...arrival, contact: undefined, device, channel: theirs }, tools)
  answered.catch(() => {})
  return ours
}

describe("askListed()", () => {
  it.each([
    { who: "is on the list", number: 1, from: { device: 1 }, hears: "listed" },
    { who: "was unlinked", number: 2, from: {}, hears: "unlinked" },
    { who: "has another address", number: 2, from: { address: OTHER }, hears: undefined },
    { who: "has a number nobody ever had", number: 3, from: {}, hears: undefined },
    { who: "says another number than its own", number: 2, from: { device: 1 }, hears: undefined },
    { who: "asks another linked device", number: 2, from: { by: 1 }, hears: undefined },
  ])("hears $hears when it $who", async ({ number, from, hears }) => {
    expect(await askListed(asking(from), number)).toBe(hears)
  })

  it.each([
    { what: "nothing", bytes: [] },
    { what: "two bytes", bytes: [2, 2] },
  ])("is not answered for $what", async ({ bytes }) => {
    const channel = asking({})
    channel.end(Uint8Array.from(bytes))
    expect(await channel.toArray()).toEqual([])
  })
})
