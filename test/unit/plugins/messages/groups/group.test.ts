import { describe, expect, it } from "vitest"
import { keyBytes } from "../../../../../plugins/messages/groups/bytes.ts"
import { writeEntry } from "../../../../../plugins/messages/groups/entry.ts"
import { headOf } from "../../../../../plugins/messages/groups/log.ts"
import { readRecord, writeRecord } from "../../../../../plugins/messages/groups/records.ts"
import { befriend, GroupStory, type Person } from "./group-story.ts"

const HOUR_MS = 3_600_000

/** Enough for most tests; who is not there is not used. */
type People = [Person, Person, Person, Person]

function friends(count: number, options: { allContacts?: boolean } = {}) {
  const story = new GroupStory(count, options)
  const [ann, ...others] = story.people
  if (options.allContacts === false) for (const other of others) befriend(ann!, other)
  ann!.create()
  for (const other of others) ann!.add(other)
  story.settle()
  return { story, people: story.people as People & Person[] }
}

describe("a group", () => {
  it("is the same for all its members", () => {
    const { people } = friends(5)
    for (const person of people) {
      expect(person.memberNames).toEqual(["a", "b", "c", "d", "e"])
      expect(person.state!.log.name).toBe("friends")
      expect(headOf(person.state!.log)).toEqual(headOf(people[0]!.state!.log))
    }
  })

  it("brings what one says to all, once, in order", () => {
    const { story, people } = friends(4)
    for (let number = 1; number <= 20; number++) people[number % 4]!.say(`${number}`)
    story.settle()
    for (const [index, person] of people.entries()) {
      const want = Array.from({ length: 20 }, (_, at) => at + 1).filter((at) => at % 4 !== index)
      expect(person.shown.map((text) => Number(text.split(":")[1])).sort((a, b) => a - b)).toEqual(
        want,
      )
    }
  })

  it("shows who joins later what is said from then on", () => {
    const story = new GroupStory(6)
    const [ann, bob, cy] = story.people as People
    ann.create()
    ann.add(bob)
    story.settle()
    ann.say("before")
    bob.say("before, too")
    story.settle()
    ann.add(cy)
    story.settle()
    ann.say("after")
    bob.say("after, too")
    story.settle()
    expect(cy.shown.sort()).toEqual(["a:after", "b:after, too"])
  })

  it("says nothing more to who was removed, and takes nothing from them", () => {
    const { story, people } = friends(3)
    const [ann, bob, cy] = people
    ann.remove(cy)
    story.settle()
    ann.say("without you")
    story.settle()
    expect(cy.isIn()).toBe(false)
    expect(cy.shown).toEqual([])
    expect(() => cy.say("but")).toThrow(expect.objectContaining({ code: "GROUP_ROLE" }))
    expect(bob.shown).toEqual(["a:without you"])
  })

  it("takes a wish to leave into the log, and only a signed one", () => {
    const { story, people } = friends(3)
    const [ann, bob, cy] = people
    bob.leave()
    expect(bob.isIn()).toBe(false)
    story.settle()
    expect(cy.memberNames).toEqual(["a", "c"])
    const { id: group } = ann.state!.log
    const wish = new Uint8Array(64)
    const content = writeRecord({ group, do: "leave", joined: 3, wish })
    ann.take({ from: cy.key, to: ann.key, content })
    expect(ann.memberNames).toEqual(["a", "c"])
  })

  it("is handed over: then the new owner signs, and the old one no longer", () => {
    const { story, people } = friends(4)
    const [ann, bob, cy, dan] = people
    ann.handOver(bob)
    story.settle()
    expect(() => ann.remove(cy)).toThrow(expect.objectContaining({ code: "GROUP_ROLE" }))
    bob.remove(cy)
    bob.act({ deed: "rename", name: "Bob's" })
    story.settle()
    expect(dan.memberNames).toEqual(["a", "b", "d"])
    expect(ann.state!.log.name).toBe("Bob's")
  })

  it("lets the owner leave last only", () => {
    const { story, people } = friends(2)
    const [ann, bob] = people
    expect(() => ann.leave()).toThrow(expect.objectContaining({ code: "GROUP_ROLE" }))
    bob.leave()
    story.settle()
    ann.leave()
    expect(ann.isIn()).toBe(false)
  })

  it("takes who left back, from then on", () => {
    const { story, people } = friends(3)
    const [ann, bob, cy] = people
    bob.leave()
    story.settle()
    cy.say("gone?")
    story.settle()
    ann.add(bob)
    story.settle()
    cy.say("back")
    bob.say("here I am")
    story.settle()
    expect(bob.shown).toEqual(["c:back"])
    expect(cy.shown).toEqual(["b:here I am"])
    expect(bob.notes.filter(({ kind }) => kind === "missing")).toEqual([])
  })

  it("holds 32 members and refuses one more", () => {
    const { people } = friends(32)
    expect(people[31]!.memberNames).toHaveLength(32)
    expect(() => people[0]!.act({ deed: "add", member: new Uint8Array(32).fill(9) })).toThrow(
      expect.objectContaining({ code: "LIMIT_REACHED" }),
    )
  })
})

describe("members who are no contacts of each other", () => {
  it("hear each other through the owner, and the author learns that they did", () => {
    const { story, people } = friends(4, { allContacts: false })
    const [ann, bob, cy, dan] = people
    bob.say("hello")
    story.settle()
    for (const person of [ann, cy, dan]) expect(person.shown).toEqual(["b:hello"])
    const got = bob.notes.filter(({ kind }) => kind === "got")
    expect(got).toEqual(
      expect.arrayContaining([
        { kind: "got", member: cy.key, upto: 1 },
        { kind: "got", member: dan.key, upto: 1 },
      ]),
    )
  })

  it("still do after the group was handed over and the first owner went", () => {
    const { story, people } = friends(4, { allContacts: false })
    const [ann, bob, cy, dan] = people
    ann.handOver(bob)
    story.settle()
    bob.act({ deed: "rename", name: "ours" })
    story.settle()
    cy.say("still here")
    story.settle()
    expect(dan.state!.log.name).toBe("ours")
    expect(dan.shown).toEqual(["c:still here"])
  })

  it("are not fooled by who passes on", () => {
    const { story, people } = friends(3, { allContacts: false })
    const [ann, bob, cy] = people
    bob.say("one")
    const letter = story.letters.find(({ content }) => readRecord(content).do === "pass")!
    const pass = readRecord(letter.content) as Extract<
      ReturnType<typeof readRecord>,
      { do: "pass" }
    >
    story.settle()
    const forged = new Uint8Array(pass.record)
    forged[forged.length - 1]! ^= 1 // another text
    const content = writeRecord({ ...pass, record: forged, hops: 2 })
    cy.take({ from: ann.key, to: cy.key, content })
    expect(cy.refused).toEqual(["BAD_RECORD"])
    expect(cy.shown).toEqual(["b:one"])
  })
})

describe("a gap", () => {
  it("in posts is seen with the next post, and healed", () => {
    const { story, people } = friends(3)
    const [ann, bob] = people
    ann.say("1")
    ann.say("2")
    story.letters = story.letters.filter(({ to }) => to !== bob.key)
    ann.say("3")
    story.settle()
    expect(bob.shown).toEqual(["a:1", "a:2", "a:3"])
  })

  it("at the end is seen within a day", () => {
    const { story, people } = friends(3)
    const [ann, bob] = people
    story.pass(1_000)
    story.settle()
    ann.say("1")
    story.letters = []
    for (let hour = 0; hour < 26; hour++) {
      story.pass(HOUR_MS)
      story.settle()
    }
    expect(bob.shown).toEqual(["a:1"])
  })

  it("in the log is seen with the next post, and healed before the post is shown", () => {
    const { story, people } = friends(3)
    const [ann, bob] = people
    ann.act({ deed: "rename", name: "new" })
    story.letters = []
    ann.say("1")
    story.settle()
    expect(bob.state!.log.name).toBe("new")
    expect(bob.shown).toEqual(["a:1"])
  })

  it("that nobody can fill is told, and the rest is shown", () => {
    const { story, people } = friends(2)
    const [ann, bob] = people
    ann.say("0")
    story.settle()
    ann.say("1")
    story.letters = []
    ann.say("2")
    const isPost = ({ content }: { content: Uint8Array }) => readRecord(content).do === "post"
    const [last] = story.letters.filter(isPost)
    story.letters = []
    story.deliver(last!)
    expect(bob.shown).toEqual(["a:0"])
    for (let hour = 0; hour < 30; hour++) {
      story.letters = []
      story.pass(HOUR_MS)
    }
    expect(bob.shown).toEqual(["a:0", "a:2"])
    expect(bob.notes).toContainEqual({ kind: "missing", member: ann.key, count: 1 })
  })

  it("is asked about seven times a day at most", () => {
    const { story, people } = friends(2)
    const [ann, bob] = people
    ann.say("1")
    story.letters = []
    ann.say("2")
    const [last] = story.letters
    story.letters = []
    story.deliver(last!)
    for (let minute = 0; minute < 1_440; minute++) {
      story.deliver(last!)
      story.pass(60_000)
    }
    const asks = story.letters.filter(
      ({ from, content }) => from === bob.key && readRecord(content).do === "ask",
    )
    expect(asks.length).toBeLessThanOrEqual(7)
  })
})

describe("a fork of the log", () => {
  it("is refused and told: what came first stays", () => {
    const { story, people } = friends(3)
    const [ann, bob] = people
    const { number, hash: parent } = headOf(ann.state!.log)
    const group = ann.state!.log.id
    const common = { author: ann.identity.publicKey, at: 0, number: number + 1, group, parent }
    const other = writeEntry(ann.identity, { deed: "rename", name: "other", ...common })
    ann.act({ deed: "rename", name: "one" })
    story.settle()
    const content = writeRecord({ group, do: "log", entries: [other.signed] })
    bob.take({ from: people[2]!.key, to: bob.key, content })
    expect(bob.state!.log.name).toBe("one")
    expect(bob.state!.forkedAt).toBe(number + 1)
    expect(bob.notes).toContainEqual({ kind: "forked", number: number + 1 })
  })

  it("that two members were shown apart is found out when they talk", () => {
    const { story, people } = friends(3)
    const [ann, bob, cy] = people
    const old = ann.state!
    ann.act({ deed: "rename", name: "for Bob" })
    const toBob = story.letters.filter(({ to }) => to === bob.key)
    ann.state = old
    ann.act({ deed: "rename", name: "for Cy" })
    story.letters = [...toBob, ...story.letters.filter(({ to }) => to === cy.key).slice(1)]
    story.settle()
    expect([bob, cy].map(({ state }) => state!.log.name)).toEqual(["for Bob", "for Cy"])
    bob.say("hello")
    cy.say("hello")
    story.settle()
    for (const person of [bob, cy]) expect(person.state!.forkedAt).toBe(4)
  })

  it("by somebody else is nothing", () => {
    const { people } = friends(3)
    const [, bob, cy] = people
    const log = bob.state!.log
    const { number, hash: parent } = headOf(log)
    const common = {
      author: cy.identity.publicKey,
      at: 0,
      number: number + 1,
      group: log.id,
      parent,
    }
    const forged = writeEntry(cy.identity, {
      deed: "hand-over",
      member: keyBytes(cy.key),
      ...common,
    })
    const content = writeRecord({
      ...{ group: log.id, do: "log", entries: [forged.signed] },
    })
    bob.take({ from: cy.key, to: bob.key, content })
    expect(bob.refused).toEqual(["BAD_RECORD"])
    expect(bob.state!.log).toEqual(log)
  })
})
