import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { keyBytes } from "../../../../../plugins/messages/groups/bytes.ts"
import { headOf } from "../../../../../plugins/messages/groups/log.ts"
import { readRecord } from "../../../../../plugins/messages/groups/records.ts"
import { isAlliumError } from "../../../../../src/base/errors.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"
import { befriend, GroupStory, type Person } from "./group-story.ts"

const HOUR_MS = 3_600_000

/** What may happen, with numbers that choose who and which. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("say"), fc.nat(), fc.nat()) },
  { weight: 14, arbitrary: fc.tuple(fc.constant("deliver"), fc.nat(), fc.nat()) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("lose"), fc.nat(), fc.nat()) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("add"), fc.nat(), fc.nat()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("remove"), fc.nat(), fc.nat()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("leave"), fc.nat(), fc.nat()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("hand over"), fc.nat(), fc.nat()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("rename"), fc.nat(), fc.nat()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("forge"), fc.nat(), fc.nat()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("replay"), fc.nat(), fc.nat()) },
)
type Happening = readonly [string, number, number]

interface Said {
  readonly author: Person
  readonly text: string
  /** Who was a member as the author knew, and has been ever since. */
  readonly readers: Map<Person, number>
}

class Play {
  readonly story: GroupStory
  readonly said: Said[] = []
  readonly sent: { from: string; to: string; content: Uint8Array }[] = []
  readonly #through: boolean

  constructor(count: number, through: boolean) {
    this.#through = through
    this.story = new GroupStory(count, { allContacts: !through })
    const [ann, ...others] = this.story.people as [Person, ...Person[]]
    if (through) for (const other of others) befriend(ann, other)
    ann.create()
    ann.add(others[0]!)
    this.story.settle()
  }

  pick<T>(list: readonly T[], number: number): T | undefined {
    return list[number % Math.max(1, list.length)]
  }

  happen([what, left, right]: Happening): void {
    const { story } = this
    const person = this.pick(story.people, left)!
    const other = this.pick(story.people, right)!
    const [creator] = story.people
    if (what === "deliver" || what === "lose") {
      const [letter] = story.letters.splice(left % Math.max(1, story.letters.length), 1)
      if (letter !== undefined) this.sent.push(letter)
      if (letter !== undefined && what === "deliver") story.deliver(letter)
    } else if (what === "forge" || what === "replay")
      this.forge(person, other, left, what === "replay")
    else if (person.isIn()) this.deed(what, person, other, creator!)
  }

  deed(what: string, person: Person, other: Person, creator: Person): void {
    const anchored = this.#through && other === creator
    try {
      if (what === "say") this.say(person)
      if (what === "add" && person.contacts.has(other.key)) person.add(other)
      if (what === "remove" && !anchored) person.remove(other)
      const isLast = person.state!.log.owner === person.key
      if (what === "leave" && !isLast && !(this.#through && person === creator)) person.leave()
      if (what === "hand over") person.handOver(other)
      if (what === "rename") person.act({ deed: "rename", name: `name ${this.said.length}` })
    } catch (error) {
      if (!isAlliumError(error, "GROUP_ROLE", "NOT_FOUND", "ALREADY_EXISTS")) throw error
    }
  }

  say(author: Person): void {
    const text = `${this.said.length}`
    const { members } = author.state!.log
    const readers = new Map<Person, number>()
    for (const reader of this.story.people) {
      const joined = members.get(reader.key)?.joined
      if (reader !== author && joined !== undefined) readers.set(reader, joined)
    }
    author.say(text)
    this.said.push({ author, text, readers })
  }

  /** Somebody sends what another wrote, or what nobody wrote, as if it were theirs to send. */
  forge(person: Person, other: Person, number: number, replay: boolean): void {
    const letter = this.pick(this.sent, number)
    if (letter === undefined || person === other || !other.contacts.has(person.key)) return
    const content = new Uint8Array(letter.content)
    if (!replay) content[number % content.length]! ^= 1 + (number % 255)
    try {
      const record = readRecord(content)
      // Words of their own anybody may say.
      if (record.do === "post" || record.do === "here" || record.do === "keys") return
    } catch {
      // just what we want to send
    }
    other.take({ from: person.key, to: other.key, content })
  }

  /** No letter is lost any more; days pass. */
  heal(): void {
    for (let day = 0; day < 3; day++) {
      for (let hour = 0; hour < 25; hour += 5) {
        this.story.settle()
        this.story.pass(5 * HOUR_MS)
      }
      this.story.settle()
    }
  }

  /** The last word on who belongs to the group: that of the longest log of an owner. */
  get owner(): Person {
    const states = this.story.people.filter(({ state }) => state !== undefined)
    const longest = states.reduce((a, b) =>
      b.state!.log.entries.length > a.state!.log.entries.length ? b : a,
    )
    return this.story.person(longest.state!.log.owner)!
  }
}

describe("members of a group", () => {
  it("agree in the end, whatever was lost, shuffled, forged or replayed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 6 }),
        fc.boolean(),
        fc.array(happening, { minLength: 20, maxLength: 120, size: "max" }),
        (count, through, happenings) => {
          const play = new Play(count, through)
          for (const one of happenings) play.happen(one)
          play.heal()
          const { owner, story } = play
          const members = story.people.filter(({ key }) => owner.state!.log.members.has(key))
          for (const member of members) expect(member.isIn()).toBe(true)
          for (const member of members) play.say(member)
          play.heal()
          expectAgreed(play, members)
        },
      ),
      {
        numRuns: fuzzRuns(6),
        endOnFailure: true,
        ...(process.env.DBG ? { seed: 1675042641, path: "47" } : {}),
      },
    )
  })
})

function expectAgreed(play: Play, members: readonly Person[]): void {
  const { owner, story } = play
  for (const member of members) {
    expect(headOf(member.state!.log)).toEqual(headOf(owner.state!.log))
    expect(member.state!.forkedAt).toBeUndefined()
    for (const author of story.people) {
      const from = `${story.nameOf(author.key)}:`
      const shown = member.shown.filter((text) => text.startsWith(from))
      const numbers = shown.map((text) => Number(text.slice(2)))
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
      const isSame = (person: Person, joined: number | undefined) =>
        owner.state!.log.members.get(person.key)?.joined === joined
      for (const said of play.said.filter((one) => one.author === author)) {
        const joined = said.readers.get(member)
        const authorStayed = members.includes(author) && wasInSince(author, owner)
        if (joined === undefined || !isSame(member, joined) || !authorStayed) continue
        expect(numbers).toContain(Number(said.text))
      }
    }
  }
}

/** Whether someone never went: then nothing of theirs may be missing. */
function wasInSince(person: Person, owner: Person): boolean {
  return !owner.state!.log.entries.some(
    ({ says }) =>
      (says.deed === "remove" || says.deed === "leave") &&
      Buffer.compare(says.member, keyBytes(person.key)) === 0,
  )
}
