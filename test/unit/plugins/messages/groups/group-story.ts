/** Members of groups without any disk or network: letters lie in a list until the test moves, shuffles or loses them. */
import { createHash } from "node:crypto"
import { keyBytes } from "../../../../../plugins/messages/groups/bytes.ts"
import { act, createGroup, type Deed, say } from "../../../../../plugins/messages/groups/deeds.ts"
import { leave } from "../../../../../plugins/messages/groups/leaving.ts"
import { meetGroup } from "../../../../../plugins/messages/groups/meeting.ts"
import { receive } from "../../../../../plugins/messages/groups/receive.ts"
import { readRecord } from "../../../../../plugins/messages/groups/records.ts"
import type { GroupState, GroupWorld, Note } from "../../../../../plugins/messages/groups/state.ts"
import { tick } from "../../../../../plugins/messages/groups/tick.ts"
import { Turn } from "../../../../../plugins/messages/groups/turn.ts"
import { isAlliumError } from "../../../../../src/base/errors.ts"
import type { Identity } from "../../../../../src/identity/identity.ts"
import { unlockIdentity } from "../../../../../src/identity/unlocked.ts"

export interface Letter {
  readonly from: string
  readonly to: string
  readonly content: Uint8Array
}

const identities: Identity[] = []

/** The same identities in every test: they take a while to make. */
export function identityOf(index: number): Identity {
  identities[index] ??= unlockIdentity(
    new Uint8Array(createHash("sha512").update(`member ${index}`).digest()),
    { name: `m${index}`, index: 0 },
  )
  return identities[index]
}

export class Person {
  readonly identity: Identity
  readonly story: GroupStory
  state: GroupState | undefined
  readonly posts = new Map<number, Uint8Array>()
  /** "author:text", in order. */
  readonly shown: string[] = []
  readonly notes: Note[] = []
  readonly contacts = new Set<string>()
  /** Codes of what was refused. */
  readonly refused: string[] = []

  constructor(story: GroupStory, index: number) {
    this.story = story
    this.identity = identityOf(index)
  }

  get key(): string {
    return this.identity.key
  }

  get world(): GroupWorld {
    return {
      self: this.identity,
      nowMs: this.story.nowMs,
      isContact: (key) => this.contacts.has(key),
      random: (length) => this.story.random(length),
    }
  }

  create(name = "friends"): void {
    this.state = createGroup(this.world, name)
  }

  step(run: (turn: Turn) => void): void {
    const turn = new Turn(this.state!, this.world)
    run(turn)
    for (const note of [...turn.notes])
      if (note.kind === "resend")
        for (let number = note.from; number <= note.upto; number++)
          turn.tell(note.member, { do: "post", post: this.posts.get(number)! })
    const { state, out, shown, notes } = turn.step
    this.state = state
    this.notes.push(...notes)
    for (const { author, post } of shown)
      this.shown.push(`${this.story.nameOf(author)}:${Buffer.from(post.body).toString()}`)
    for (const { hop, content } of out)
      this.story.letters.push({ from: this.key, to: hop, content })
  }

  act(deed: Deed): void {
    this.step((turn) => act(turn, deed))
  }

  add(other: Person, label?: string): void {
    this.act({ deed: "add", member: keyBytes(other.key), ...(label !== undefined && { label }) })
  }

  remove(other: Person): void {
    this.act({ deed: "remove", member: keyBytes(other.key) })
  }

  handOver(other: Person): void {
    this.act({ deed: "hand-over", member: keyBytes(other.key) })
  }

  say(text: string): void {
    this.step((turn) => {
      const { sequence, bytes } = say(turn, Buffer.from(text))
      this.posts.set(sequence, bytes)
    })
  }

  leave(): void {
    this.step(leave)
  }

  tick(): void {
    if (this.state !== undefined) this.step(tick)
  }

  take({ from, content }: Letter): void {
    try {
      const record = readRecord(content)
      if (this.state === undefined) {
        const met = meetGroup(this.world, record)
        if (met === undefined) return
        if ("question" in met) {
          this.story.letters.push({ from: this.key, to: from, content: met.question })
          return
        }
        this.state = met.state
      }
      this.step((turn) => receive(turn, from, record))
    } catch (error) {
      if (!isAlliumError(error, "BAD_RECORD", "BAD_PACK")) throw error
      this.refused.push(error.code)
    }
  }

  get memberNames(): string[] {
    return [...this.state!.log.members.keys()].map((key) => this.story.nameOf(key)).sort()
  }

  isIn(): boolean {
    const { state } = this
    return state?.log.members.has(this.key) === true && state.leavingMs === undefined
  }
}

export class GroupStory {
  nowMs = Date.UTC(2026, 0, 1)
  letters: Letter[] = []
  /** All that was ever sent. */
  readonly people: Person[]
  #seed = 1

  constructor(count: number, options: { allContacts?: boolean } = {}) {
    this.people = Array.from({ length: count }, (_, index) => new Person(this, index))
    if (options.allContacts ?? true)
      for (const left of this.people) for (const right of this.people) befriend(left, right)
  }

  random(length: number): Uint8Array {
    return new Uint8Array(
      createHash("sha512")
        .update(`random ${this.#seed++}`)
        .digest(),
    ).slice(0, length)
  }

  nameOf(key: string): string {
    const index = this.people.findIndex((person) => person.key === key)
    return index < 0 ? "?" : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"[index]!
  }

  person(key: string): Person | undefined {
    return this.people.find((person) => person.key === key)
  }

  /** Brings one letter. */
  deliver(letter: Letter): void {
    const to = this.person(letter.to)
    if (to?.contacts.has(letter.from)) to.take(letter)
  }

  /** Brings all letters, in order, until nothing is under way. */
  settle(): void {
    for (let count = 0; this.letters.length > 0; count++) {
      if (count > 20_000) throw new Error("Letters without end")
      this.deliver(this.letters.shift()!)
    }
  }

  /** Time passes for everybody. */
  pass(ms: number): void {
    this.nowMs += ms
    for (const person of this.people) person.tick()
  }
}

export function befriend(left: Person, right: Person): void {
  if (left === right) return
  left.contacts.add(right.key)
  right.contacts.add(left.key)
}
