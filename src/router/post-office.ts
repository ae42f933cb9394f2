/**
 * The post office: one post for each identity, and what plugins see of them.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import { Scope } from "../base/scope.ts"
import type { Contact } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { MAILBOX_PROTOCOL } from "../mail/mailbox/wire.ts"
import type { Post } from "../mail/post/post.ts"
import type { Change, StoreRoom } from "../store/store.ts"
import type { Reach } from "./core/tower-offers.ts"
import type { DeviceLetter } from "./device-letters.ts"
import type { DoorArrival, DoorDesk } from "./door-desk.ts"
import { devicesOf, keyOf, requireLinked, requireWritable } from "./mail-devices.ts"
import { MailIdentity, type MailParts } from "./mail-identity.ts"
import { openMailShelf } from "./mail-shelf.ts"
import { MailTopics } from "./mail-topics.ts"
import { serveOwnMailbox } from "./own-mailbox.ts"
import type { PluginMail } from "./plugin.ts"
import type { TowerDesk } from "./tower-desk.ts"

/** See the module. */
export interface PostOffice extends AsyncDisposable {
  /** Letters of one plugin; its handlers end with `scope`. @param how.isPrivate - Our other devices get no copies. */
  mailFor(plugin: string, scope: Scope, how?: { readonly isPrivate: boolean }): PluginMail
  /** Tells our other devices of an identity. */
  tellOwn(identity: Identity, letter: DeviceLetter, also?: readonly Change[]): Promise<void>
  /** To be called when the devices of an identity are others. */
  devicesChanged(identity: Identity): Promise<void>
  /** This device was unlinked: what waits is given up, and nothing more is sent. */
  leave(identity: Identity): Promise<void>
  /** A contact knows our newest key. */
  told(identity: Identity, contact: Contact): void
  /** Opens the post of an identity that was created or restored; one that stands already stays. */
  open(identity: Identity): Promise<void>
  /** Plugins run: letters may come. */
  start(): Promise<void>
  towers(identity: Identity): TowerDesk
  doors(identity: Identity): DoorDesk
  /** Whether the post of an identity stands; one that comes back has none for a moment. */
  isOpen(identity: Identity): boolean
  /** Who enters those that ask at doors; once. */
  onDoorRequest(handler: (arrival: DoorArrival) => Promise<string | undefined>): void
  post(identity: Identity): Post
  reach(identity: Identity): Reach
  /** @throws {AlliumError} `NO_TOWER`: who publishes nothing needs a tower. */
  setReach(identity: Identity, reach: Reach): Promise<void>
  /** The same without a question: what a backup says. */
  bringReach(identity: Identity, reach: Reach): Promise<void>
}

/** What the office stands on. */
export interface PostOfficeOptions extends Omit<MailParts, "topics" | "isPrivate"> {
  readonly identities: IdentityBook
  readonly store: StoreRoom
}

/** Opens the posts of all identities there are. */
export async function openPostOffice(options: PostOfficeOptions): Promise<PostOffice> {
  await using opening = new Scope()
  const { identities, store } = options
  const reaches = store.table("reach", z.enum(["reachable", "pull-only"]))
  const shelf = await openMailShelf(store.room("shelf"))
  const parties = (identityKey: string, peer: string) => {
    const identity = identities.list().find(({ key }) => key === identityKey)
    const contact = identity && identities.contacts(identity).byKey(keyOf(peer))
    return identity && contact && { identity, contact }
  }
  const topics = new MailTopics({ ...options, shelf, parties })
  const secret = new Set<string>()
  const isPrivate = (topic: string) => secret.has(topic)
  const office = new Office({ ...options, topics, isPrivate }, secret)
  for await (const [key, reach] of reaches.entries()) office.reaches.set(key, reach)
  opening.use(office)
  for (const identity of identities.list()) await office.open(identity)
  office.listen()
  opening.move()
  return office
}

class Office implements PostOffice {
  readonly #options: PostOfficeOptions & MailParts
  readonly #scope = new Scope()
  readonly #mails = new Map<string, MailIdentity>()
  readonly reaches = new Map<string, Reach>()
  readonly #private: Set<string>
  #started = false
  #onRequest: (arrival: DoorArrival) => Promise<string | undefined> = async () => {
    throw new AlliumError("NO_POST", "Cannot take request: nobody enters it")
  }

  /** @param secret - Topics our other devices get no copies of. */
  constructor(options: PostOfficeOptions & MailParts, secret: Set<string>) {
    this.#options = options
    this.#private = secret
  }

  async open(identity: Identity): Promise<void> {
    if (this.#mails.has(identity.key)) return
    const { identities, store } = this.#options
    const mail = await MailIdentity.open({
      ...this.#options,
      identity,
      contacts: identities.contacts(identity),
      cards: identities.doors(identity),
      card: (what) => identities.card(identity, what),
      onRequest: (arrival) => this.#onRequest(arrival),
      room: store.room(identity.key),
      isReachable: () => this.reach(identity) === "reachable",
    })
    this.#mails.set(identity.key, this.#scope.use(mail))
    if (this.#started) await mail.start()
  }

  async start(): Promise<void> {
    this.#started = true
    await Promise.all([...this.#mails.values()].map((mail) => mail.start()))
  }

  /** Answers contacts, and hears what becomes of them. */
  listen(): void {
    const { links, clock, log } = this.#options
    const { signal } = this.#scope
    const careful = (identity: Identity, deed: (mail: MailIdentity) => Promise<void>) =>
      void (async () => deed(this.#mail(identity)))().catch((error: unknown) =>
        log.debug("mail.failed", { code: toAlliumError(error).code }),
      )
    this.#scope.defer(
      links.servePeers(MAILBOX_PROTOCOL, ({ identity, peer, channel }) => {
        const { post, admits } = this.#mail(identity)
        const own = { post, admits: () => admits(peer), signal, clock }
        // Who was just told of us, and refused our channel before, takes letters now.
        if (admits(peer)) post.wake(peer)
        return serveOwnMailbox(channel, peer, own)
      }),
    )
    this.#scope.defer(
      links.onPeer((identity, peer) => careful(identity, (mail) => mail.reachable(peer))),
    )
    this.#scope.defer(
      links.onContactChanged((identity, key) =>
        careful(identity, (mail) => mail.contactChanged(key)),
      ),
    )
  }

  mailFor(plugin: string, scope: Scope, how = { isPrivate: false }): PluginMail {
    const { topics, identities } = this.#options
    if (how.isPrivate) this.#private.add(plugin)
    return {
      send: async ({ identity, contact }, { content, name }, also = []) => {
        requireLinked(this.#options.own, identity)
        const found = requireWritable(identities.contacts(identity), contact.key)
        await this.#mail(identity).send(found, { topic: plugin, content, name }, also)
      },
      flash: async ({ identity, contact }, content) => {
        requireLinked(this.#options.own, identity)
        const { post, admits } = this.#mail(identity)
        for (const peer of devicesOf(contact))
          if (admits(peer)) await post.flash(peer, { topic: plugin, content })
      },
      receive: (handler) => topics.set(plugin, "letter", handler, scope),
      onReport: (handler) => topics.set(plugin, "report", handler, scope),
    }
  }

  tellOwn(identity: Identity, letter: DeviceLetter, also?: readonly Change[]): Promise<void> {
    return this.#mail(identity).tellOwn(letter, also)
  }

  devicesChanged(identity: Identity): Promise<void> {
    return this.#mail(identity).devicesChanged()
  }

  leave(identity: Identity): Promise<void> {
    return this.#mail(identity).giveUp()
  }

  told(identity: Identity, contact: Contact): void {
    const post = this.#mails.get(identity.key)?.post
    for (const peer of devicesOf(contact)) post?.wake(peer)
  }

  towers(identity: Identity): TowerDesk {
    return this.#mail(identity).towers
  }

  doors(identity: Identity): DoorDesk {
    return this.#mail(identity).doors
  }

  isOpen(identity: Identity): boolean {
    return this.#mails.has(identity.key)
  }

  onDoorRequest(handler: (arrival: DoorArrival) => Promise<string | undefined>): void {
    this.#onRequest = handler
  }

  post(identity: Identity): Post {
    return this.#mail(identity).post
  }

  reach(identity: Identity): Reach {
    return this.reaches.get(identity.key) ?? "reachable"
  }

  async setReach(identity: Identity, reach: Reach): Promise<void> {
    if (reach === "pull-only" && !this.towers(identity).isUsed)
      throw new AlliumError("NO_TOWER", "Cannot be pull-only: the identity uses no tower")
    await this.bringReach(identity, reach)
  }

  async bringReach(identity: Identity, reach: Reach): Promise<void> {
    const { store } = this.#options
    const table = store.table("reach", z.enum(["reachable", "pull-only"]))
    await store.commit([table.put(identity.key, reach)])
    this.reaches.set(identity.key, reach)
    this.#mail(identity).placesChanged()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
  }

  #mail(identity: Identity): MailIdentity {
    const mail = this.#mails.get(identity.key)
    if (mail !== undefined) return mail
    throw new AlliumError("NO_POST", "Cannot use mail: the identity's post is not open")
  }
}
