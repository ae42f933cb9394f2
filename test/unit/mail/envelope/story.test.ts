import { describe, expect, it } from "vitest"
import { type Chance, seededChance } from "../../../../src/base/random.ts"
import type { CryptoSession, Prekeys } from "../../../../src/mail/envelope/crypto.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { ann, bob, seededCrypto } from "./people.ts"
import { toHex } from "./vectors.ts"

/** `FUZZ=10`, as in `npm test`, makes 3,000; `FUZZ=350` makes 10^5. */
const STEPS = fuzzRuns(300)
const SESSIONS_MOST = 4
/** Then an envelope counts as lost: so few turns may overtake it that its key is kept. */
const LIFE_STEPS = 200

type Who = "ann" | "bob"
const OTHER = { ann: "bob", bob: "ann" } as const
const PEOPLE = { ann, bob } as const

interface Sent {
  readonly to: Who
  readonly envelope: Uint8Array
  readonly payload: Uint8Array
  readonly name: string
  readonly atStep: number
  opened: boolean
}

/** Two people, a mailbox that loses, doubles and damages, and what must come of it. */
class World {
  readonly #crypto = seededCrypto("a story")
  readonly #chance: Chance
  readonly #sessions = {
    ann: new Map<string, CryptoSession>(),
    bob: new Map<string, CryptoSession>(),
  }
  readonly #prekeys: Record<Who, Prekeys[]> = { ann: [], bob: [] }
  #sent: Sent[] = []
  #step = 0
  #nowMs = Date.UTC(2026, 0, 1)
  readonly counts = { sealed: 0, opened: 0, again: 0, refused: 0, sessions: 0 }

  /** Both begin at once. */
  constructor(chance: Chance) {
    this.#chance = chance
    this.#begin("ann")
    this.#begin("bob")
  }

  step(): void {
    this.#step++
    this.#nowMs += Math.floor(this.#chance() * 60_000)
    this.#sent = this.#sent.filter(({ atStep }) => this.#step - atStep < LIFE_STEPS)
    const who: Who = this.#chance() < 0.5 ? "ann" : "bob"
    const luck = this.#chance()
    if (luck < 0.01) this.#begin(who)
    else if (luck < 0.45) this.#seal(who)
    else if (luck < 0.8) this.#deliver()
    else if (luck < 0.9) this.#damage()
    else if (luck < 0.95) this.#lose()
    else this.#writeAndRead(who)
  }

  #begin(who: Who): void {
    if (this.counts.sessions >= SESSIONS_MOST) return
    const prekeys = this.#crypto.makePrekeys(PEOPLE[OTHER[who]])
    this.#prekeys[OTHER[who]].push(prekeys)
    this.#keep(who, this.#crypto.begin(PEOPLE[who], prekeys.bundle))
    this.counts.sessions++
  }

  #seal(who: Who): void {
    const session = this.#pick([...this.#sessions[who].values()])
    if (session === undefined) return
    const length = 1 + Math.floor(this.#chance() * session.capacity)
    const payload = new Uint8Array(length).map(() => Math.floor(this.#chance() * 256))
    const sealed = this.#crypto.seal(session, payload)
    this.#keep(who, sealed.session)
    const name = toHex(session.name)
    const { envelope } = sealed
    this.#sent.push({ to: OTHER[who], envelope, payload, name, atStep: this.#step, opened: false })
    this.counts.sealed++
  }

  /** Whatever comes first opens; whatever comes again does not. */
  #deliver(): void {
    const sent = this.#pick(this.#sent)
    if (sent === undefined) return
    const opened = this.#open(sent.to, sent.envelope)
    if (sent.opened) {
      expect(opened).toBeUndefined()
      this.counts.again++
      return
    }
    expect(toHex(opened!.payload)).toBe(toHex(sent.payload))
    expect(toHex(opened!.session.name)).toBe(sent.name)
    this.#keep(sent.to, opened!.session)
    sent.opened = true
    this.counts.opened++
  }

  #damage(): void {
    const sent = this.#pick(this.#sent)
    if (sent === undefined) return
    const before = this.#allOf(sent.to)
    const damaged = Uint8Array.from(sent.envelope)
    const at = Math.floor(this.#chance() * damaged.length)
    damaged[at] = damaged[at]! ^ (1 << Math.floor(this.#chance() * 8))
    expect(this.#open(sent.to, damaged)).toBeUndefined()
    expect(this.#allOf(sent.to)).toEqual(before)
    this.counts.refused++
  }

  #lose(): void {
    const lost = this.#pick(this.#sent)
    this.#sent = this.#sent.filter((one) => one !== lost)
  }

  #writeAndRead(who: Who): void {
    const session = this.#pick([...this.#sessions[who].values()])
    if (session === undefined) return
    const read = this.#crypto.importSession(this.#crypto.exportSession(session))
    expect({ ...read }).toEqual({ ...session })
    this.#keep(who, read)
  }

  #open(who: Who, envelope: Uint8Array) {
    const call = { nowMs: this.#nowMs }
    for (const session of this.#sessions[who].values()) {
      const opened = this.#crypto.open(session, envelope, call)
      if (opened !== undefined) return opened
    }
    for (const prekeys of this.#prekeys[who]) {
      const opened = this.#crypto.accept(PEOPLE[who], prekeys, envelope, call)
      if (opened === undefined || this.#sessions[who].has(toHex(opened.session.name))) continue
      expect(opened.peerKey).toEqual(PEOPLE[OTHER[who]].publicKey)
      return opened
    }
    return undefined
  }

  #keep(who: Who, session: CryptoSession): void {
    this.#sessions[who].set(toHex(session.name), session)
  }

  #allOf(who: Who): string[] {
    return [...this.#sessions[who].values()].map((one) => toHex(this.#crypto.exportSession(one)))
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#chance() * items.length)]
  }
}

describe("a story of two, with loss, shuffling, doubles, damage, and restarts", () => {
  it(`opens what arrives once, and nothing else, for ${STEPS} steps`, {
    timeout: 3_600_000,
  }, () => {
    const world = new World(seededChance(20_260_101))
    for (let step = 0; step < STEPS; step++) world.step()
    const { sealed, opened, again, refused, sessions } = world.counts
    expect(sessions).toBeGreaterThan(1)
    expect(opened).toBeGreaterThan(sealed / 5)
    expect(Math.min(again, refused)).toBeGreaterThan(STEPS / 50)
  })
})
