/** Several homes with the messages plugin and real identities, joined by letters in memory: in order, once, reported. */

import * as care from "../../../../../plugins/messages/care-offers.ts"
import * as groupOffers from "../../../../../plugins/messages/groups/offers.ts"
import { messages } from "../../../../../plugins/messages/index.ts"
import * as offers from "../../../../../plugins/messages/offers.ts"
import { AlliumError, toAlliumError } from "../../../../../src/base/errors.ts"
import { silentLog } from "../../../../../src/base/log.ts"
import type { Contact } from "../../../../../src/identity/contacts.ts"
import type { Identity } from "../../../../../src/identity/identity.ts"
import type { LetterState, Reception } from "../../../../../src/mail/post/post.ts"
import type { Offer, OfferCall } from "../../../../../src/router/offer.ts"
import type {
  ArrivedLetter,
  BackupPart,
  LetterReport,
  PluginContext,
} from "../../../../../src/router/plugin.ts"
import { FakeWorld } from "../../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../../support/memory-store.ts"
import { identityOf } from "./group-story.ts"

const OFFERS = new Map<string, Offer>(
  [...Object.values(offers), ...Object.values(care), ...Object.values(groupOffers)]
    .filter((one): one is Offer & typeof one => typeof one === "object" && "verb" in one)
    .map((offer) => [offer.verb, offer as Offer]),
)

/** One letter on its way. */
interface Letter {
  readonly from: House
  readonly to: House
  readonly name: string
  readonly content: Uint8Array
  stored: boolean
}

/** Somebody's home. */
export class House {
  readonly identity: Identity
  readonly disk = new MemoryDisk()
  readonly contacts: Contact[] = []
  readonly events: { name: string; data: Readonly<Record<string, unknown>> }[] = []
  life: MemoryLife | undefined
  receive: ((letter: ArrivedLetter) => Promise<Reception>) | undefined
  backup: BackupPart | undefined
  report: ((report: LetterReport) => Promise<Reception>) | undefined
  readonly name: string
  readonly #town: Town
  #runners = new Map<string, (input: never, call: OfferCall) => unknown>()
  #abort = new AbortController()

  constructor(town: Town, name: string, index: number) {
    this.#town = town
    this.name = name
    this.identity = { ...identityOf(index), name: `${name}-self` }
  }

  get isUp(): boolean {
    return this.life !== undefined
  }

  async start(): Promise<void> {
    const life = new MemoryLife(this.disk, this.#town.world, () => {})
    this.life = life
    this.#abort = new AbortController()
    this.#runners = new Map()
    await messages.start(this.#context(life))
  }

  /** The machine is lost; a new one is made from the backup. */
  async loseAndRestore(): Promise<void> {
    const saved = await this.backup!.save(this.identity)
    this.crash()
    this.disk.values.clear()
    this.receive = undefined
    await this.start()
    await this.backup!.load(this.identity, saved)
  }

  /** Kill -9. */
  crash(): void {
    this.life?.crash()
    this.life = undefined
    this.#abort.abort()
  }

  run<T>(verb: string, input: object): Promise<T> {
    const offer = OFFERS.get(verb)
    const run = this.#runners.get(verb)
    if (offer === undefined || run === undefined) throw new Error(`No offer "${verb}"`)
    const call = { signal: new AbortController().signal, progress: () => {} }
    return run(offer.input.parse(input) as never, call) as Promise<T>
  }

  /** Texts of a conversation, with who wrote them. */
  async texts(contact = "friends"): Promise<string[]> {
    const list = await this.run<offers.MessageDocument[]>("message list", { contact })
    return list.map(
      ({ author, text, direction }) => `${direction === "out" ? "me" : author}: ${text}`,
    )
  }

  contact(key: string): Contact {
    const found = this.contacts.find((one) => one.key === key || one.name === key)
    if (found !== undefined) return found
    throw new AlliumError("NO_CONTACT", "Cannot find contact")
  }

  #context(life: MemoryLife): PluginContext {
    const store = life.room("/")
    const unused = () => Promise.reject(new Error("Not in this test"))
    const context: PluginContext = {
      signal: this.#abort.signal,
      ...{ log: silentLog, clock: this.#town.world.clock, store, folder: "/nowhere" },
      identities: { list: () => [this.identity], find: () => this.identity },
      contacts: { list: () => this.contacts, find: (_, which) => this.contact(which) },
      answer: (offer, run) => void this.#runners.set(offer.verb, run as never),
      emit: (name, data) => void this.events.push({ name, data: structuredClone(data) }),
      serve: () => {},
      open: unused,
      ...{ onReachable: () => {}, onContact: () => {}, listen: unused },
      blobs: { towers: () => [], put: unused, get: unused },
      mail: {
        send: async ({ contact }, letter, also = []) => {
          await store.commit([...also])
          if (!life.dead) this.#town.post(this, contact.key, letter)
        },
        flash: async () => {},
        receive: (handler) => {
          this.receive = handler
        },
        onReport: (handler) => {
          this.report = handler
        },
      },
      backup: (part) => {
        this.backup = part
      },
      ask: unused,
      session: unused,
      forgetSession: async () => {},
    }
    return context
  }
}

/** See the module. */
export class Town {
  readonly world = new FakeWorld()
  readonly houses: House[]
  letters: Letter[] = []
  /** Everything that was ever handed to the mail. */
  readonly sent: Letter[] = []

  constructor(names: readonly string[]) {
    this.houses = names.map((name, index) => new House(this, name, index))
  }

  /** Everybody knows everybody, or everybody knows the first one only. */
  introduce(options: { star?: boolean } = {}): void {
    for (const left of this.houses)
      for (const right of this.houses) {
        const isStar = left === this.houses[0] || right === this.houses[0]
        if (left === right || (options.star && !isStar)) continue
        left.contacts.push({
          ...{ name: right.name, key: right.identity.key, address: `${right.name}.b32.i2p` },
          ...{ state: "accepted", verified: false, greeting: "", since: 0 },
        })
      }
  }

  async start(): Promise<void> {
    for (const house of this.houses) await house.start()
  }

  post(from: House, key: string, letter: { name: string; content: Uint8Array }): void {
    const to = this.houses.find(({ identity }) => identity.key === key)!
    if (this.letters.some((one) => one.from === from && one.to === to && one.name === letter.name))
      throw new Error(`Two letters are called "${letter.name}"`)
    this.letters.push({ from, to, ...letter, stored: false })
    this.sent.push(this.letters.at(-1)!)
  }

  /** Brings all letters to who is up, until nothing moves. */
  async settle(): Promise<void> {
    for (;;) {
      await this.world.settle()
      const letter = this.letters.find(({ from, to }) => from.isUp && to.isUp && to.receive)
      if (letter === undefined) return
      this.letters.splice(this.letters.indexOf(letter), 1)
      await this.#bring(letter)
    }
  }

  /** Letters for who is away lie in a tower. */
  async store(): Promise<void> {
    for (const letter of this.letters)
      if (letter.from.isUp && !letter.to.isUp && !letter.stored) {
        letter.stored = true
        await this.#report(letter, { kind: "stored", place: "tower" })
      }
    await this.world.settle()
  }

  async #bring(letter: Letter): Promise<void> {
    const { from, to, content } = letter
    const contact = to.contact(from.identity.key)
    try {
      const got = await to.receive!({ identity: to.identity, contact, content, from: "contact" })
      await to.life!.room("/").commit([...got.changes])
      got.done?.()
    } catch (error) {
      if (toAlliumError(error).code !== "BAD_RECORD") throw error
    }
    await this.#report(letter, { kind: "delivered" })
  }

  async #report({ from, to, name }: Letter, state: LetterState): Promise<void> {
    const contact = from.contact(to.identity.key)
    const got = await from.report!({ identity: from.identity, contact, name, state })
    await from.life!.room("/").commit([...got.changes])
    got.done?.()
  }
}

/** Ann, Bob, Cy and Dan in a group of Ann's. */
export async function openTown(options: { star?: boolean } = {}) {
  const town = new Town(["ann", "bob", "cy", "dan"])
  town.introduce(options)
  await town.start()
  const [ann, bob, cy, dan] = town.houses as [House, House, House, House]
  await ann.run("group create", { name: "friends", members: ["bob", "cy", "dan"] })
  await town.settle()
  return { town, ann, bob, cy, dan }
}
