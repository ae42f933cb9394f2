/**
 * Giving keepsakes to contacts, keeping theirs, and asking for ours on a new machine: protocol `/keepsake/1`.
 *
 * @see docs/protocol/backup.md
 * @module
 */
import { createHash } from "node:crypto"
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { packValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { type Contact, presentKeyOf } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { Channel } from "../link/link.ts"
import type { Reception } from "../mail/post/post.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { type DoorPlace, GIVEN_BYTES, type Given, packGiven, readGiven } from "./given.ts"
import { homecomingKeys } from "./homecoming.ts"
import type { ChannelHandler, Stranger } from "./identity-links.ts"
import { KEEPSAKE_BYTES, type Keepsake, openKeepsake, sealKeepsake } from "./keepsake.ts"
import type { Links } from "./links.ts"
import type { ArrivedLetter, PluginMail } from "./plugin.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** Topic of the letters that bring keepsakes. */
export const KEEPSAKE_TOPIC = "keepsakes"
const PROTOCOL = "/keepsake/1"
/** Somebody restores once; more is a fault of theirs. */
const ANSWERS_MAX = 20
const ANSWERS_MS = 3_600_000
/** Changes come in swarms: one keepsake for all of them. */
const SETTLE_MS = 5_000
/** Asking and answering, once the link stands. */
const ASK_MS = 60_000
const bytes = z.instanceof(Uint8Array).refine(({ length }) => length <= GIVEN_BYTES)

/** What the desk stands on. */
export interface KeepsakeDeskOptions {
  readonly identities: IdentityBook
  readonly links: Pick<Links, "serveAnyone">
  readonly letters: Pick<PluginMail, "send" | "receive">
  readonly towers: (identity: Identity) => readonly TowerAddress[]
  /** Where strangers ask us now, at a tower, with the plain card. */
  readonly door: (identity: Identity) => DoorPlace | undefined
  readonly store: StoreRoom
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
}

/** See the module. */
export interface KeepsakeDesk extends AsyncDisposable {
  /** Something a keepsake says changed: they are refreshed when the swarm of changes is over. */
  changed(identity: Identity): void
  /** Gives a new keepsake to every contact for whom something in it changed. */
  refresh(identity: Identity): Promise<void>
  /**
   * Asks somebody whether they keep something for us.
   * @returns `undefined` when they do not. @throws {AlliumError} `BAD_BACKUP` for what is not ours; what the link says.
   */
  ask(
    identity: Identity,
    peer: Pick<Stranger, "key" | "open">,
    call: { signal: AbortSignal },
  ): Promise<Keepsake | undefined>
  /** Where a contact can be met while they come back on a new machine; `undefined` when they did not say. */
  homecomingOf(identity: Identity, contactKey: string): Promise<string | undefined>
  /** Where a contact can be asked by strangers while they are off; `undefined` when they did not say. */
  doorOf(identity: Identity, contactKey: string): Promise<DoorPlace | undefined>
}

/** Opens the desk; answers whoever we keep something for. */
export function openKeepsakeDesk(options: KeepsakeDeskOptions): KeepsakeDesk {
  return new Desk(options)
}

class Desk implements KeepsakeDesk {
  readonly #options: KeepsakeDeskOptions
  readonly #scope = new Scope()
  /** By our identity and the contact: what we keep for them. */
  readonly #kept: Table<Uint8Array>
  /** By our identity and the contact: hash of what they were last given. */
  readonly #given: Table<string>
  readonly #answers = new Map<string, number[]>()
  readonly #settling = new Set<string>()

  constructor(options: KeepsakeDeskOptions) {
    this.#options = options
    this.#kept = options.store.table("keepsakes", bytes)
    this.#given = options.store.table("keepsakes-given", z.string())
    options.letters.receive((letter) => this.#receive(letter))
    this.#scope.defer(options.links.serveAnyone(PROTOCOL, (arrival) => this.#hear(arrival)))
  }

  changed(identity: Identity): void {
    if (this.#settling.has(identity.key)) return
    this.#settling.add(identity.key)
    const { signal } = this.#scope
    const soon = this.#options.clock.sleep(SETTLE_MS, { signal })
    soon
      .then(() => this.#settling.delete(identity.key))
      .then(() => this.refresh(identity))
      .catch((thrown: unknown) => this.#tell("not-refreshed", thrown))
  }

  async refresh(identity: Identity): Promise<void> {
    const contacts = this.#options.identities.contacts(identity).list()
    for (const contact of contacts)
      if (contact.state === "accepted") await this.#refreshOne(identity, contact)
  }

  async ask(
    identity: Identity,
    peer: Pick<Stranger, "key" | "open">,
    call: { signal: AbortSignal },
  ): Promise<Keepsake | undefined> {
    const signal = AbortSignal.any([call.signal, this.#scope.signal, AbortSignal.timeout(ASK_MS)])
    const channel = peer.open(PROTOCOL, { signal })
    const give = () => channel.destroy()
    signal.addEventListener("abort", give, { once: true })
    channel.on("error", () => {})
    try {
      channel.end()
      const answer = await readAtMost(channel, KEEPSAKE_BYTES)
      return answer.length === 0 ? undefined : openKeepsake(identity, peer.key, answer)
    } finally {
      signal.removeEventListener("abort", give)
      if (!channel.readableEnded) channel.destroy()
    }
  }

  async homecomingOf(identity: Identity, contactKey: string): Promise<string | undefined> {
    return (await this.#givenBy(identity, contactKey))?.homecoming
  }

  async doorOf(identity: Identity, contactKey: string): Promise<DoorPlace | undefined> {
    return (await this.#givenBy(identity, contactKey))?.door
  }

  async #givenBy(identity: Identity, contactKey: string): Promise<Given | undefined> {
    const given = await this.#kept.get(`${identity.key}/${contactKey}`)
    return given && readGiven(given)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  async #refreshOne(identity: Identity, contact: Contact): Promise<void> {
    const { letters, clock, random } = this.#options
    const towers = this.#options.towers(identity)
    const { key, name, address, verified, since } = contact
    const next = this.#options.identities.contacts(identity).commitmentOf(key)
    const homecoming = homecomingKeys(identity).destination.b32
    const door = this.#options.door(identity)
    const proof = [presentKeyOf(contact), next ?? "", homecoming, door?.sendId ?? ""]
    const said = [...proof, name, address, verified, since, towers.map((tower) => tower.key)]
    const hash = createHash("sha256").update(packValue(said)).digest("base64url")
    const place = `${identity.key}/${key}`
    if ((await this.#given.get(place)) === hash) return
    const more = { madeMs: clock.now(), towers, next }
    const keepsake = sealKeepsake(identity, contact, more, random)
    const content = packGiven({ keepsake, homecoming, door })
    const letter = { content, name: Buffer.from(random(16)).toString("hex") }
    try {
      await letters.send({ identity, contact }, letter, [this.#given.put(place, hash)])
    } catch (thrown) {
      this.#tell("not-given", thrown) // the next change, or the next day, brings it
    }
  }

  /** The newest counts; in the same commit as the receipt. */
  async #receive({ identity, contact, content, from }: ArrivedLetter): Promise<Reception> {
    if (from !== "contact") return { changes: [] }
    readGiven(content)
    const mine = new Uint8Array(content)
    return { changes: [this.#kept.put(`${identity.key}/${contact.key}`, mine)] }
  }

  /** Whoever proves the key of a contact, wherever they are: on a new machine they may be elsewhere. */
  async #hear({ identity, contact, channel }: Parameters<ChannelHandler>[0]): Promise<void> {
    if (contact?.state !== "accepted")
      throw new AlliumError("NOT_ACCEPTED", "Cannot answer: they are no contact")
    await this.#answer(identity, contact, channel)
  }

  async #answer(identity: Identity, contact: Contact, channel: Channel): Promise<void> {
    const place = `${identity.key}/${contact.key}`
    if (!this.#mayAnswer(place))
      throw new AlliumError("TOO_MANY_REQUESTS", "Cannot answer: they asked too often")
    const kept = await this.#kept.get(place)
    channel.resume()
    channel.end(kept?.subarray(0, KEEPSAKE_BYTES))
    await channel.delivered
  }

  #mayAnswer(place: string): boolean {
    const now = this.#options.clock.monotonicMs()
    const recent = (this.#answers.get(place) ?? []).filter((at) => now - at < ANSWERS_MS)
    if (recent.length >= ANSWERS_MAX) return false
    this.#answers.set(place, [...recent, now])
    return true
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`keepsake.${event}`, { code: toAlliumError(thrown).code })
  }
}

/** @throws {AlliumError} `BAD_BACKUP` for more bytes. */
async function readAtMost(channel: Channel, byteMost: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let byteCount = 0
  const pieces = channel.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
  for await (const piece of pieces) {
    byteCount += piece.length
    if (byteCount > byteMost)
      throw new AlliumError("BAD_BACKUP", "Cannot take keepsake: it is too long")
    chunks.push(piece)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
