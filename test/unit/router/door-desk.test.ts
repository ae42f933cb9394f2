import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { DoorPerson, DoorWorld, TOWER } from "../../support/door-people.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const words = { name: "ann", greeting: "hello", ownName: "bob" }
const call = { signal: new AbortController().signal }
const DAY_MS = 86_400_000

/** An owner of a door and a stranger, and what dies in the end. */
class Story {
  readonly at: DoorWorld
  readonly ann: DoorPerson
  readonly bob: DoorPerson

  private constructor(at: DoorWorld) {
    this.at = at
    this.ann = new DoorPerson(at, 1)
    this.bob = new DoorPerson(at, 2)
  }

  static async open(): Promise<Story> {
    const story = new Story(await DoorWorld.open())
    await story.ann.start()
    await story.bob.start()
    return story
  }

  async close(): Promise<void> {
    for (const one of [this.ann, this.bob]) if (one.lives) await one.stop()
    await this.at.tower[Symbol.asyncDispose]()
  }

  async ask(label?: string): Promise<void> {
    await this.bob.desk.request(this.bob.identity, await this.ann.uri(label), words)
  }

  askedAt = () => this.ann.standing(this.bob) === "asking"
}

describe("DoorDesk", () => {
  let story: Story
  beforeEach(async () => {
    story = await Story.open()
  })
  afterEach(() => story.close())

  it("brings who asks to the owner, and keeps the door's address over a restart", async () => {
    const { ann, bob, at } = story
    const uri = await ann.uri()
    await story.ask()
    await at.until(story.askedAt)
    expect(ann.contacts.find("bob")).toMatchObject({ greeting: "hello", key: bob.key })
    expect(bob.doors.asking(ann.key)).toEqual({ state: "left" })
    await ann.stop()
    await ann.start()
    expect(await ann.uri()).toBe(uri)
  })

  /** What the tower answers to who puts. */
  const heard = () => {
    const kinds: string[] = []
    const { tower } = story.at
    const put = tower.put.bind(tower)
    tower.put = async (...asked) => {
      const answer = await put(...asked)
      kinds.push(answer.kind)
      return answer
    }
    return kinds
  }
  const askWithTicket = async (ticket: Uint8Array<ArrayBuffer>) => {
    const { ann, bob } = story
    const { tower } = ann.doors.own.placeOf(ann.cards.find("plain"))!
    await bob.contacts.request({ key: ann.key, address: tower.address, name: "ann" })
    const ask = await bob.doors.ask({ key: ann.key, tower, greeting: "", ticket })
    await bob.life.room("/").commit([...ask.changes])
    ask.done()
  }

  it("lets in who shows a ticket it expects, once, without work", async () => {
    const { ann, at } = story
    await ann.uri()
    const ticket = new Uint8Array(32).fill(9)
    const deed = ann.doors.own.expect(ticket)
    await ann.life.room("/").commit([...deed.changes])
    deed.done()
    await at.until(() => ann.disk.below("/doors/tickets/").length === 0)
    const kinds = heard()
    await askWithTicket(ticket)
    await at.until(story.askedAt)
    expect(kinds).toEqual(["ok"])
  })

  it("takes work from who shows a ticket that nobody knows", async () => {
    await story.ann.uri()
    const kinds = heard()
    await askWithTicket(new Uint8Array(32).fill(8))
    await story.at.until(story.askedAt)
    expect(kinds.slice(0, 1)).toEqual(["toll"])
    expect(kinds.at(-1)).toBe("ok")
  })

  it("says why a request is not there yet, and brings it when the tower is back", async () => {
    const { ann, bob, at } = story
    const uri = await ann.uri()
    at.isUp = false
    await bob.desk.request(bob.identity, uri, words)
    await at.world.pass(1_000)
    expect(bob.doors.asking(ann.key)).toEqual({ state: "trying", reason: "PEER_UNREACHABLE" })
    at.isUp = true
    await at.until(story.askedAt)
  })

  it("tells who was accepted, and meets them, once", async () => {
    const { ann, bob, at } = story
    await story.ask()
    await at.until(story.askedAt)
    await ann.desk.accept(ann.identity, "bob")
    await at.until(() => ann.letters.length > 0)
    expect(ann.letters).toEqual([`${bob.key}.0`])
    expect(ann.met).toEqual([`${bob.key}.0`])
    await ann.stop()
    await ann.start()
    await at.world.pass(60_000)
    expect(ann.letters).toHaveLength(1)
  })

  it("leaves a request again that nobody answers: after a day, three, and nine, and no more", async () => {
    const { ann, at } = story
    await story.ask()
    await at.until(story.askedAt)
    await ann.stop()
    const waiting = () => at.tower.report().envelopes
    for (const [days, envelopes] of [
      [0.9, 0],
      [0.2, 1],
      [3, 2],
      [9, 3],
    ] as const) {
      await at.world.pass(days * DAY_MS)
      await at.until(() => waiting() === envelopes)
    }
    await at.world.pass(10 * DAY_MS)
    expect(waiting()).toBe(3)
  }, 60_000)

  it("asks no more when the contact was removed, or blocked", async () => {
    const { ann, bob, at } = story
    const uri = await ann.uri()
    at.isUp = false
    await bob.desk.request(bob.identity, uri, words)
    await bob.desk.block(bob.identity, "ann")
    expect(bob.doors.asking(ann.key)).toBeUndefined()
    await bob.desk.remove(bob.identity, "ann")
    at.isUp = true
    await at.world.pass(DAY_MS)
    expect(ann.contacts.list()).toEqual([])
  })

  it("ignores who is blocked, who has a card that was withdrawn, and what nothing opens", async () => {
    const { ann, bob, at } = story
    await ann.cards.make("fair")
    ann.doors.changed()
    const fair = await ann.uri("fair")
    await ann.uri()
    await story.ask()
    await at.until(story.askedAt)
    await ann.desk.block(ann.identity, "bob")
    await bob.desk.request(bob.identity, fair, words)
    await at.until(() => bob.doors.asking(ann.key)?.state === "left")
    await at.until(() => at.tower.report().envelopes === 0)
    expect(ann.standing(bob)).toBe("blocked")
    await ann.cards.withdraw("fair")
    ann.doors.changed()
    await at.until(() => at.tower.report().queues === 2) // and Bob has one
    await bob.desk.request(bob.identity, fair, words)
    await at.until(() => bob.doors.asking(ann.key)?.state === "gone")
    expect(bob.standing(ann)).toBe("requested")
  })

  it("has a door again when a backup comes back, at the same address, with other prekeys", async () => {
    const { ann, bob, at } = story
    const uri = await ann.uri()
    await ann.stop()
    await story.bob.desk.request(bob.identity, uri, words)
    await at.until(() => at.tower.report().envelopes === 1)
    const kept = ann.doors.own.keep()
    const again = new DoorPerson(at, 1)
    await again.start()
    await again.doors.own.bring(kept)
    expect(await again.uri()).toBe(uri)
    await at.until(() => at.tower.report().envelopes === 0)
    expect(again.contacts.list()).toEqual([]) // sealed for prekeys that are lost
    await at.world.pass(1.1 * DAY_MS)
    await at.until(() => again.standing(bob) === "asking")
    await again.stop()
  }, 60_000)

  it("keeps a door for a week when its tower was left, and has others at the next", async () => {
    const { ann, at } = story
    const uri = await ann.uri()
    ann.towers = []
    ann.doors.changed()
    await story.bob.desk.request(story.bob.identity, uri, words)
    await at.until(story.askedAt)
    await expect(ann.doors.own.hold(ann.cards.find("plain"), call)).rejects.toMatchObject({
      code: "NO_TOWER",
    })
    const doors = () => ann.disk.below("/doors/doors/").length
    await at.world.pass(6.9 * DAY_MS)
    expect(doors()).toBe(1)
    await at.world.pass(0.2 * DAY_MS)
    expect(doors()).toBe(0)
    ann.towers = [TOWER]
    ann.doors.changed()
    expect(await ann.uri()).not.toBe(uri)
  }, 30_000)

  it("leaves a note where it was: a card given away before leads to the next tower", async () => {
    const { ann, bob, at } = story
    const old = await ann.uri()
    ann.towers = [{ ...TOWER, key: bob.key }]
    ann.doors.changed()
    await at.until(() => ann.disk.below("/doors/doors/").length === 2)
    const now = await ann.uri()
    expect(now).not.toBe(old)
    await at.world.pass(7.1 * DAY_MS)
    expect(ann.disk.below("/doors/doors/")).toHaveLength(1)
    await bob.desk.request(bob.identity, old, words)
    await at.until(story.askedAt)
    expect(bob.doors.asking(ann.key)).toEqual({ state: "left" })
  }, 120_000)

  it("forgets the door at a dead tower after a month", async () => {
    const { ann, at } = story
    await ann.uri()
    at.isUp = false
    await ann.stop()
    await ann.start()
    ann.towers = []
    ann.doors.changed()
    const doors = () => ann.disk.below("/doors/doors/").length
    for (let day = 0; day < 30; day++) await at.world.pass(DAY_MS)
    expect(doors()).toBe(1)
    await at.world.pass(DAY_MS)
    expect(doors()).toBe(0)
    expect(ann.disk.below("/doors/keys/")).toEqual([])
  }, 30_000)

  it("renews prekeys each month, and opens what was sealed for the ones before", async () => {
    const { ann, bob, at } = story
    const uri = await ann.uri()
    at.isUp = false
    const put = at.tower.put.bind(at.tower)
    at.isUp = true
    // Bob's envelope is sealed today and put in a month.
    let held = true
    at.tower.put = async (item, call) => (held ? { kind: "full" } : put(item, call))
    await bob.desk.request(bob.identity, uri, words)
    await at.world.pass(10_000)
    for (let day = 0; day < 31; day++) await at.world.pass(DAY_MS)
    held = false
    await at.until(story.askedAt)
    at.tower.put = put
  }, 60_000)
})

type Who = "ann" | "bob"
interface Crash {
  readonly who: Who
  readonly commit: number
  readonly moment: "before" | "after"
}

/** Bob asks, Ann decides; whoever dies is started again, and does again what is not on their disk. */
async function tell(decision: "accept" | "refuse", crash?: Crash): Promise<Record<Who, number>> {
  const story = await Story.open()
  const { ann, bob, at } = story
  const uri = await ann.uri()
  const before = { ann: ann.disk.commitCount, bob: bob.disk.commitCount }
  if (crash) {
    const { who, commit, moment } = crash
    story[who].disk.crashAt = { commit: before[who] + commit, moment }
  }
  const act = (deed: Promise<unknown>) => void deed.catch(() => {})
  const ask = () => act(bob.desk.request(bob.identity, uri, words))
  let decide = () => {}
  /** A person who sees that it is not there says it again. */
  const revive = async () => {
    for (const one of [ann, bob]) {
      if (one.lives) continue
      await one.start()
      if (one === bob && bob.standing(ann) === undefined) ask()
      if (one === ann && story.askedAt()) decide()
    }
  }
  const until = (done: () => boolean) =>
    at.until(async () => {
      await revive()
      return done()
    })
  ask()
  await until(() => story.askedAt())
  expect(ann.contacts.list()).toHaveLength(1)
  decide = () => act(ann.desk[decision](ann.identity, "bob"))
  decide()
  const noes = () => ann.disk.below("/doors/noes/").length
  if (decision === "accept") {
    await until(() => ann.letters.length > 0)
    expect(ann.standing(bob)).toBe("accepted")
    expect(ann.met).toEqual([`${bob.key}.0`])
  } else {
    // No such queue is at the tower: the answer is on its way for as long as it may be.
    await until(() => ann.standing(bob) === undefined && noes() === 0)
  }
  expect(ann.disk.below("/doors/asked/")).toEqual([])
  const after = { ann: ann.disk.commitCount, bob: bob.disk.commitCount }
  await story.close()
  return { ann: after.ann - before.ann, bob: after.bob - before.bob }
}

describe("DoorDesk, when a process dies", () => {
  it.each(["accept", "refuse"] as const)(
    "loses nobody at whatever write: %s",
    async (decision) => {
      const counts = await tell(decision)
      const crashes = (["ann", "bob"] as const).flatMap((who) =>
        Array.from({ length: counts[who] }, (_, index) => index + 1).flatMap((commit) =>
          (["before", "after"] as const).map((moment) => ({ who, commit, moment })),
        ),
      )
      expect(crashes.length).toBeGreaterThan(8)
      const step = Math.max(1, Math.round(crashes.length / fuzzRuns(4)))
      for (const crash of crashes.filter((_, index) => index % step === 0))
        await tell(decision, crash).catch((cause: unknown) => {
          throw new Error(`With ${JSON.stringify(crash)}`, { cause })
        })
    },
    60_000,
  )
})
