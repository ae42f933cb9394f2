/**
 * Several devices of one identity: linking, unlinking, and telling contacts and each other.
 *
 * @see docs/protocol/device.md
 * @module
 */
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Turns } from "../base/turns.ts"
import { type Contact, presentKeyOf } from "../identity/contacts.ts"
import { readDeviceList } from "../identity/device-list.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { keyFromText } from "../identity/keys.ts"
import { linkedDevice, unlockJoined } from "../identity/unlocked.ts"
import type { Channel } from "../link/link.ts"
import type { Reception } from "../mail/post/post.ts"
import { deriveDestinationKeys } from "../sam/derive.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import type { ContactDesk, ContactWords } from "./contact-desk.ts"
import type { DeviceBook } from "./device-book.ts"
import { DEVICE_SECRET_BYTES, formatDeviceCode, parseDeviceCode } from "./device-code.ts"
import { DeviceContacts } from "./device-contacts.ts"
import { type DeviceLetter, packDeviceLetter, readDeviceLetter } from "./device-letters.ts"
import { answerListed, askListed, LISTED_PROTOCOL } from "./device-listed.ts"
import { answerAsking, fetchHandover } from "./device-meeting.ts"
import { DEVICE_PROTOCOL, type Handover, refused } from "./device-wire.ts"
import { linkName } from "./identity-links.ts"
import type { Links } from "./links.ts"
import { peerName } from "./mail-devices.ts"
import type { ArrivedLetter, BackupPart, PluginMail } from "./plugin.ts"
import type { PostOffice } from "./post-office.ts"
import type { Sessions } from "./sessions.ts"

/** A code is good for so long, and once. */
const CODE_MS = 600_000

/** One device, for a person. */
export interface DeviceReport {
  readonly number: number
  readonly address: string
  readonly isThis: boolean
  readonly isReachable: boolean
}

/** See the module. */
export interface DeviceDesk extends AsyncDisposable {
  /** A code for one new device; the one before it is void. @throws {AlliumError} `LINKED_DEVICE`, `LIMIT_REACHED`, `BAD_INPUT` for who publishes nothing. */
  link(identity: Identity): { readonly code: string; readonly goodForMs: number }
  /**
   * Becomes another device of the identity whose first device made the code.
   * @param name - What to call it here; what the first device calls it by default.
   * @throws {AlliumError} `BAD_DEVICE_CODE`, `DEVICE_REFUSED`, `ALREADY_EXISTS`, `PEER_UNREACHABLE`.
   */
  join(code: string, name: string | undefined, call: { signal: AbortSignal }): Promise<Identity>
  list(identity: Identity): readonly DeviceReport[]
  /** From now on nothing goes to that device. @throws {AlliumError} `LINKED_DEVICE`, `NOT_FOUND`. */
  unlink(identity: Identity, number: number): Promise<void>
  /**
   * Does what only an identity without linked devices may; none is linked meanwhile, and a code that was made is void.
   * @param deed - For the error.
   * @throws {AlliumError} `LINKED_DEVICE`, `HAS_LINKED_DEVICES`, what `work` says.
   */
  alone(identity: Identity, deed: string, work: () => Promise<void>): Promise<void>
  /** Takes what another device of ours says. */
  hear(identity: Identity, letter: DeviceLetter): Promise<Reception>
  /** Has the first device ask somebody to become a contact. */
  ask(identity: Identity, uri: string, words: ContactWords): Promise<void>
}

/** What the desk stands on. */
export interface DeviceDeskOptions {
  readonly identities: IdentityBook
  readonly own: DeviceBook
  readonly links: Links
  readonly sessions: Sessions
  readonly post: Pick<PostOffice, "tellOwn" | "devicesChanged" | "open" | "reach" | "leave">
  /** Of topic `devices`, to and from contacts. */
  readonly letters: Pick<PluginMail, "send" | "receive">
  readonly desk: () => ContactDesk
  /** Parts of plugins, as in a backup. */
  readonly parts: {
    save(identity: Identity): Promise<Record<string, Uint8Array>>
    load(identity: Identity, parts: Readonly<Record<string, Uint8Array>>): Promise<void>
  }
  /** This device is one of the identity's no more: its session is to end. */
  readonly onUnlinked: (identity: Identity) => Promise<void>
  /** Opens the session and all the rest of an identity that came. */
  readonly onNew: (identity: Identity) => Promise<void>
  readonly emit: (event: string, data: Readonly<Record<string, unknown>>) => void
  readonly store: StoreRoom
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** Opens the desk; contacts that were not told of our devices are told. */
export async function openDeviceDesk(options: DeviceDeskOptions): Promise<DeviceDesk> {
  const desk = new Desk(options)
  desk.open()
  return desk
}

interface Code {
  readonly secret: Uint8Array
  /** Monotonic. */
  readonly untilMs: number
}

class Desk implements DeviceDesk {
  readonly #options: DeviceDeskOptions
  readonly #scope = new Scope()
  readonly #turns = new Turns()
  readonly #contacts: DeviceContacts
  /** By identity and contact: revision of the list they were told. */
  readonly #told: Table<number>
  /** By identity key; in memory alone. */
  readonly #codes = new Map<string, Code>()

  constructor(options: DeviceDeskOptions) {
    this.#options = options
    this.#told = options.store.table("device-lists-told", z.number())
    const { post, links } = options
    this.#contacts = new DeviceContacts({
      ...options,
      tellOwn: (identity, letter, also) => post.tellOwn(identity, letter, also),
      contactChanged: (identity, key) => links.contactChanged(identity, key),
    })
  }

  open(): void {
    const { links, letters, identities } = this.#options
    letters.receive((letter) => this.#hearContact(letter))
    this.#scope.defer(
      links.serveAnyone(DEVICE_PROTOCOL, ({ identity, peerKey, channel }) =>
        this.#answer(identity, peerKey, channel),
      ),
    )
    this.#scope.defer(
      links.onContactChanged((identity, key) => this.#soon(() => this.#changed(identity, key))),
    )
    this.#scope.defer(
      links.serveOwn(LISTED_PROTOCOL, (arrival) => answerListed(arrival, this.#options)),
    )
    this.#scope.defer(
      links.onPeer((identity, peer) => {
        if (identity.device !== 0 && peer === peerName(identity.key, 0))
          this.#soon(() => this.#askListed(identity, peer))
      }),
    )
    for (const identity of identities.list()) this.#soon(() => this.#tellAll(identity))
  }

  /** The first device says whether we are one of its identity's still. */
  async #askListed(identity: Identity, peer: string): Promise<void> {
    const { links, own, post, onUnlinked, emit } = this.#options
    const { signal } = this.#scope
    const { channel } = await links.openPeer(identity, peer, LISTED_PROTOCOL, { signal })
    if ((await askListed(channel, identity.device)) !== "unlinked" || own.isUnlinked(identity))
      return
    await own.leave(identity)
    await post.leave(identity)
    emit("identity.unlinked", { identity: identity.name })
    await onUnlinked(identity)
  }

  link(identity: Identity): { code: string; goodForMs: number } {
    const { clock, random, own } = this.#options
    if (identity.device !== 0) throw linkedDevice("link device")
    if (this.#options.post.reach(identity) !== "reachable") throw unreachable()
    own.nextNumber(identity)
    const secret = random(DEVICE_SECRET_BYTES)
    this.#codes.set(identity.key, { secret, untilMs: clock.monotonicMs() + CODE_MS })
    const { present, address } = identity
    return { code: formatDeviceCode({ key: present.key, address, secret }), goodForMs: CODE_MS }
  }

  async join(
    text: string,
    name: string | undefined,
    call: { signal: AbortSignal },
  ): Promise<Identity> {
    const code = parseDeviceCode(text)
    const { identities } = this.#options
    this.#requireNew(code.key, name)
    const signal = AbortSignal.any([call.signal, this.#scope.signal])
    const handover = await fetchHandover(this.#options, code, { signal })
    const said = handover.joined
    this.#requireNew(code.key, name ?? said.name)
    requireWhole(handover, code)
    const identity = await identities.join({ ...said, name: name ?? said.name })
    await this.#takeUp(identity, handover)
    return identity
  }

  list(identity: Identity): readonly DeviceReport[] {
    const { own, links } = this.#options
    const reachable = new Set(links.reachable(identity))
    return own.list(identity).devices.map(({ number, address }) => ({
      ...{ number, address },
      isThis: number === identity.device,
      isReachable: number === identity.device || reachable.has(linkName(identity.key, number)),
    }))
  }

  unlink(identity: Identity, number: number): Promise<void> {
    if (identity.device !== 0) throw linkedDevice("unlink device")
    return this.#turns.take(async () => {
      const { own, clock } = this.#options
      const { devices } = own.list(identity)
      const left = devices.filter((one) => one.number !== number)
      if (number === 0 || left.length === devices.length)
        throw new AlliumError("NOT_FOUND", "Cannot unlink: no linked device has that number")
      await own.change(identity, left, clock.now())
      await this.#announce(identity)
    })
  }

  async alone(identity: Identity, deed: string, work: () => Promise<void>): Promise<void> {
    if (identity.device !== 0) throw linkedDevice(deed)
    await this.#turns.take(async () => {
      const { length } = this.#options.own.others(identity)
      if (length > 0)
        throw new AlliumError(
          "HAS_LINKED_DEVICES",
          `Cannot ${deed}: ${length} other devices are linked, expected none`,
        )
      this.#codes.delete(identity.key)
      await work()
    })
  }

  async hear(identity: Identity, letter: DeviceLetter): Promise<Reception> {
    if (letter.kind === "contact") await this.#contacts.hear(identity, letter)
    if (letter.kind === "ask" && identity.device === 0)
      await this.#options.desk().request(identity, letter.uri, letter).catch(this.#tell)
    const isNews = letter.kind === "list" && (await this.#options.own.take(identity, letter.list))
    return { changes: [], ...(isNews && { done: () => this.#devicesChanged(identity) }) }
  }

  async ask(identity: Identity, uri: string, words: ContactWords): Promise<void> {
    const { name, greeting, ownName } = words
    const said = { kind: "ask", uri, name, greeting } as const
    await this.#options.post.tellOwn(identity, { ...said, ...(ownName && { ownName }) })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  /** @throws {AlliumError} `ALREADY_EXISTS`. */
  #requireNew(key: string, name: string | undefined): void {
    const taken = this.#options.identities
      .list()
      .some((one) => one.keysOf(key) !== undefined || one.name === name)
    if (taken)
      throw new AlliumError("ALREADY_EXISTS", "Cannot join: this home has that identity or name")
  }

  async #takeUp(identity: Identity, { list, contacts, parts }: Handover): Promise<void> {
    const { own, post, onNew, emit } = this.#options
    await own.take(identity, list)
    await this.#contacts.begin(identity, contacts)
    await post.open(identity)
    await this.#options.parts.load(identity, parts)
    await onNew(identity)
    emit("identity.joined", { identity: identity.name, contacts: contacts.length })
  }

  async #answer(identity: Identity, peerKey: string, channel: Channel): Promise<void> {
    const { random, clock } = this.#options
    const code = this.#codes.get(identity.key)
    const isGood = () => this.#codes.get(identity.key) === code
    const ends = { callerKey: keyFromText(peerKey), identityKey: identity.present.publicKey }
    await answerAsking(channel, ends, {
      secret: () =>
        code && isGood() && clock.monotonicMs() < code.untilMs ? code.secret : undefined,
      give: () =>
        this.#turns.take(async () => {
          if (!isGood()) throw refused()
          this.#codes.delete(identity.key)
          return this.#addDevice(identity)
        }),
      random,
    })
  }

  /** The list is signed first: whoever has the keys is on it. */
  async #addDevice(identity: Identity): Promise<Handover> {
    const { identities, own, parts, clock, emit } = this.#options
    const device = own.nextNumber(identity)
    const secrets = identities.deviceSecrets(identity, device)
    const { destination } = deriveDestinationKeys(secrets.destination)
    const { devices } = own.list(identity)
    const fresh = { number: device, address: destination.b32 }
    await own.change(identity, [...devices, fresh], clock.now())
    await this.#announce(identity)
    emit("identity.linked", { identity: identity.name, device })
    const { name, address, present } = identity
    const rotations = present.version > 0 ? identity.rotations() : undefined
    return {
      joined: { name, device, address, secrets, ...(rotations && { rotations }) },
      list: own.signed(identity)!,
      contacts: identities.contacts(identity).keep(),
      parts: await parts.save(identity),
    }
  }

  /** Contacts and our other devices hear of the new list. */
  async #announce(identity: Identity): Promise<void> {
    const { post, own } = this.#options
    this.#devicesChanged(identity)
    await post.tellOwn(identity, { kind: "list", list: own.signed(identity)! })
    await this.#tellAll(identity)
  }

  #devicesChanged(identity: Identity): void {
    const { links, post } = this.#options
    links.devicesChanged(identity)
    this.#soon(() => post.devicesChanged(identity))
  }

  async #changed(identity: Identity, key: string): Promise<void> {
    const { own, identities, store } = this.#options
    if (own.signed(identity) === undefined) return
    if (own.others(identity).length > 0) await this.#contacts.changed(identity, key)
    const contact = identities.contacts(identity).byKey(key)
    if (contact !== undefined) await this.#tellOne(identity, contact)
    else await store.commit([this.#told.remove(`${identity.key}/${key}`)])
  }

  async #tellAll(identity: Identity): Promise<void> {
    for (const contact of this.#options.identities.contacts(identity).list())
      await this.#tellOne(identity, contact)
  }

  /** The first device tells contacts; each list once. */
  async #tellOne(identity: Identity, contact: Contact): Promise<void> {
    const { own, letters, random } = this.#options
    const list = own.signed(identity)
    if (list === undefined || identity.device !== 0 || contact.state !== "accepted") return
    const { revision } = own.list(identity)
    const place = `${identity.key}/${contact.key}`
    if ((await this.#told.get(place)) === revision) return
    const content = packDeviceLetter({ kind: "list", list })
    const letter = { content, name: Buffer.from(random(16)).toString("hex") }
    const put = this.#told.put(place, revision)
    await letters.send({ identity, contact }, letter, [put]).catch(this.#tell)
  }

  /** @throws {AlliumError} `BAD_RECORD` for anything but a list the contact signed. */
  async #hearContact({ identity, contact, content }: ArrivedLetter): Promise<Reception> {
    const letter = readDeviceLetter(content)
    if (letter.kind !== "list")
      throw new AlliumError("BAD_RECORD", "Cannot take letter: contacts tell their devices alone")
    const list = readDeviceList(letter.list, keyFromText(presentKeyOf(contact)))
    const { identities, links } = this.#options
    await identities.contacts(identity).receiveDevices(contact.key, list)
    return { changes: [], done: () => links.contactChanged(identity, contact.key) }
  }

  #soon(deed: () => Promise<void>): void {
    deed().catch(this.#tell)
  }

  readonly #tell = (error: unknown): void => {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug("device.failed", { code: toAlliumError(error).code })
  }
}

/** @throws {AlliumError} `DEVICE_REFUSED` unless it is the identity and the device the code and the list speak of. */
function requireWhole(
  { joined, list }: Handover,
  { key, address }: { key: string; address: string },
) {
  const { devices } = readDeviceList(list, keyFromText(key))
  const { destination } = deriveDestinationKeys(joined.secrets.destination)
  const { present } = unlockJoined(joined)
  const mine = devices.find(({ number }) => number === joined.device)
  if (mine?.address !== destination.b32 || joined.address !== address || present.key !== key)
    throw refused()
}

function unreachable(): AlliumError {
  const found = "the identity publishes nothing, expected a reachable one"
  return new AlliumError("BAD_INPUT", `Cannot link device: ${found}`)
}

const keptShape = z.strictObject({
  list: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  last: z.int().min(0),
})

/** The devices of an identity, in its backup. */
export function deviceBackup(own: DeviceBook): BackupPart {
  return {
    save: async (identity) => packValue(own.keep(identity) ?? null),
    async load(identity, bytes) {
      const kept = keptShape.safeParse(unpackValue(bytes)).data
      if (kept !== undefined) await own.take(identity, kept.list, kept.last)
    },
  }
}
