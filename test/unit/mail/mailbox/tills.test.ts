/** Epochs, invitations and what a tower keeps of them. */
import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../../src/base/random.ts"
import { blindTokens, unblindTokens } from "../../../../src/mail/mailbox/tokens.ts"
import { openTowerEngine } from "../../../../src/mail/mailbox/tower/engine.ts"
import { FakeWorld } from "../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../support/memory-store.ts"

const CALL = { signal: new AbortController().signal }
const KEYS_PATH = "tower/keys/keys"

async function openTower(disk = new MemoryDisk()) {
  const world = new FakeWorld()
  const store = new MemoryLife(disk, world, () => {}).room("tower/")
  const tower = await openTowerEngine({ store, clock: world.clock, random: systemRandom })
  return { disk, world, tower }
}

describe("invitations", () => {
  it("are good for so many tokens, asked for again for nothing, until they are revoked", async () => {
    const { tower } = await openTower()
    const invitation = await tower.makeInvitation(3, "for ann")
    const blinded = blindTokens(2, systemRandom).map((one) => one.blinded)
    await tower.issueTokens({ invitation, blinded }, CALL)
    await tower.issueTokens({ invitation, blinded }, CALL)
    const [listed] = await tower.listInvitations()
    expect(listed).toMatchObject({ label: "for ann", count: 3, left: 1 })
    const more = blindTokens(2, systemRandom).map((one) => one.blinded)
    const bad = { code: "BAD_TOKEN" }
    await expect(tower.issueTokens({ invitation, blinded: more }, CALL)).rejects.toMatchObject(bad)
    await tower.revokeInvitation(listed!.name)
    const asked = tower.issueTokens({ invitation, blinded }, CALL)
    await expect(asked).rejects.toMatchObject(bad)
    await expect(tower.revokeInvitation(listed!.name)).rejects.toMatchObject({ code: "NOT_FOUND" })
    await tower[Symbol.asyncDispose]()
  })

  it("refuse what is no element of the group", async () => {
    const { tower } = await openTower()
    const invitation = await tower.makeInvitation(3)
    const blinded = [new Uint8Array(32).fill(0xff)]
    const asked = tower.issueTokens({ invitation, blinded }, CALL)
    await expect(asked).rejects.toMatchObject({ code: "BAD_INPUT" })
    expect((await tower.listInvitations())[0]!.left).toBe(3)
    await tower[Symbol.asyncDispose]()
  })
})

describe("epochs", () => {
  it("begin when a key has signed enough; tokens of the one before are good, older ones are void and forgotten", async () => {
    const { tower, disk, world } = await openTower()
    const invitation = await tower.makeInvitation(100)
    const take = async () => {
      const pending = blindTokens(2, systemRandom)
      const blinded = pending.map((one) => one.blinded)
      const issued = await tower.issueTokens({ invitation, blinded }, CALL)
      return unblindTokens(pending, issued, issued)
    }
    const nearlyOver = () => {
      const keys = disk.values.get(KEYS_PATH) as Record<string, unknown>
      disk.values.set(KEYS_PATH, { ...keys, issued: 65_535 })
    }
    const make = (token: Uint8Array) => tower.make({ kind: "queue", token }, CALL)
    const [spent, kept] = await take()
    await make(spent!)
    nearlyOver()
    const [second] = await take()
    expect((await tower.tokenKey(CALL)).epoch).toBe(2)
    await make(second!)
    nearlyOver()
    await take()
    expect((await tower.tokenKey(CALL)).epoch).toBe(3)
    await expect(make(kept!)).rejects.toMatchObject({ code: "BAD_TOKEN" })
    expect(disk.below("tower/spent/").map(([, epoch]) => epoch)).toEqual([1, 1])
    await world.pass(3_600_000)
    expect(disk.below("tower/spent/")).toEqual([])
    await tower[Symbol.asyncDispose]()
  })
})

describe("what a tower has on disk", () => {
  it("holds no id, invitation or token as it was shown", async () => {
    const { tower, disk } = await openTower()
    const invitation = await tower.makeInvitation(1)
    const pending = blindTokens(1, systemRandom)
    const blinded = pending.map((one) => one.blinded)
    const issued = await tower.issueTokens({ invitation, blinded }, CALL)
    const [token] = unblindTokens(pending, issued, issued)
    const { receiveId, sendId } = await tower.make({ kind: "queue", token: token! }, CALL)
    const put = { sendId, id: systemRandom(16), envelope: new Uint8Array(4_096) }
    await tower.put(put, CALL)
    const secrets = [receiveId, sendId, invitation, token!.slice(4, 36), token!.slice(36), put.id]
    const everything = [...disk.values].map(([path, value]) => path + inHex(value)).join("\n")
    for (const secret of secrets)
      for (const encoding of ["hex", "base64url", "base64"] as const)
        expect(everything).not.toContain(Buffer.from(secret).toString(encoding))
    await tower[Symbol.asyncDispose]()
  })
})

function inHex(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex")
  if (typeof value !== "object" || value === null) return String(value)
  return Object.values(value).map(inHex).join(" ")
}
