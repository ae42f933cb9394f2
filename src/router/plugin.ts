/**
 * What a plugin is and what it is given. Re-exported by the door `allium/plugin`.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { Log } from "../base/log.ts"
import type { Contact } from "../identity/contacts.ts"
import type { Identity } from "../identity/identity.ts"
import type { Channel } from "../link/link.ts"
import type { LetterState, Reception } from "../mail/post/post.ts"
import type { Session } from "../sam/session.ts"
import type { Change, StoreRoom } from "../store/store.ts"
import type { ContactNews } from "./contact-news.ts"
import type { Offer, OfferCall, OfferRun } from "./offer.ts"
import type { Listener, Visit } from "./plugin-listen.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** A channel together with who is at its ends. */
export interface PeerChannel {
  /** Ours. */
  readonly identity: Identity
  /** Theirs; always in state `accepted`. */
  readonly contact: Contact
  readonly channel: Channel
}

/** A letter that came in, whole, once, in its sender's order. */
export interface ArrivedLetter {
  readonly identity: Identity
  readonly contact: Contact
  readonly content: Uint8Array
  /** `contact`: they wrote it. `own device`: another device of this identity wrote it to them. */
  readonly from: "contact" | "own device"
}

/** What became of a letter. */
export interface LetterReport {
  readonly identity: Identity
  readonly contact: Contact
  readonly name: string
  readonly state: LetterState
}

/**
 * Letters between this plugin and its like at contacts: sealed end to end, kept through restarts and absences until the
 * contact has them, held by towers meanwhile.
 */
export interface PluginMail {
  /**
   * On disk when it resolves, in one commit with `also`.
   *
   * @param letter.name - The plugin's own name for it, at most 64 bytes; comes back in reports.
   * @throws {AlliumError} `OUTBOX_FULL`, `STORE_FULL`, `LETTER_TOO_LONG`, `CONTACT_STATE`.
   */
  send(
    to: { readonly identity: Identity; readonly contact: Contact },
    letter: { readonly content: Uint8Array; readonly name: string },
    also?: readonly Change[],
  ): Promise<void>
  /** For what is worth nothing later: goes out only when the contact is reachable directly now, and is never kept. */
  flash(
    to: { readonly identity: Identity; readonly contact: Contact },
    content: Uint8Array,
  ): Promise<void>
  /**
   * Takes letters. What the handler returns is committed together with the receipt; when it throws `BAD_RECORD` the letter is
   * dropped for good, after any other error it comes again later.
   */
  receive(handler: (letter: ArrivedLetter) => Promise<Reception>): void
  /** Hears what becomes of letters; what it returns is committed together with the fact. */
  onReport(handler: (report: LetterReport) => Promise<Reception>): void
}

/** Ciphertext kept at towers, at most 16 MiB each. A tower learns ids, sizes and times. */
export interface PluginBlobs {
  /** Towers the identity uses, in order. */
  towers(identity: Identity): readonly TowerAddress[]
  /**
   * Leaves bytes at a tower the identity uses, in place of those before. Empty ones take no room.
   *
   * @param blob - Its `id` is what readers need, 32 bytes; `writeKey`, 32 bytes, is fixed at the first time.
   * @throws {AlliumError} `NO_TOWER`, `MAILBOX_FULL`, `TOO_LARGE`, `BAD_TOKEN`; what the way there says.
   */
  put(
    identity: Identity,
    tower: TowerAddress,
    blob: { readonly id: Uint8Array; readonly writeKey: Uint8Array; readonly bytes: Uint8Array },
    call: { signal: AbortSignal },
  ): Promise<void>
  /** Asks any tower, from an address that is thrown away; `undefined` when it has none. */
  get(
    tower: TowerAddress,
    id: Uint8Array,
    call: { signal: AbortSignal },
  ): Promise<Uint8Array | undefined>
}

/** What a plugin puts into the encrypted backup of an identity. */
export interface BackupPart {
  /** At most 1 MiB; what must come back on a new machine, and no more. */
  save(identity: Identity): Promise<Uint8Array>
  /** On a new machine, with contacts restored already. */
  load(identity: Identity, bytes: Uint8Array): Promise<void>
}

/** Keys of a session of a plugin's own, apart from every identity. */
export interface OwnSessionOptions {
  /** Names the session within the plugin or tunnel, in status and for its keys. */
  readonly name: string
  /** `persistent`: the same address after a restart. `transient`: a new one each time. */
  readonly keys: "persistent" | "transient"
  /**
   * Reader keys, 1 to 32: the LeaseSet is encrypted for them, and nobody else finds the session. Routers that cannot
   * refuse it: it is `down` then, with `SESSION_NOT_SUPPORTED`.
   */
  readonly readers?: readonly string[]
}

/** The door a plugin is handed at start. Everything it opens here ends with the plugin. */
export interface PluginContext {
  /** Aborts when the plugin is to end. */
  readonly signal: AbortSignal
  readonly log: Log
  readonly clock: Clock
  /** The plugin's own part of the store. */
  readonly store: StoreRoom
  /** A folder of the plugin's own, mode 0700; absolute. Its files are not encrypted. */
  readonly folder: string
  /** Identities of this router. */
  readonly identities: {
    list(): readonly Identity[]
    /** By name; the first identity when none is given. @throws {AlliumError} `NO_IDENTITY`, `NOT_FOUND`. */
    find(name?: string): Identity
  }
  /** Contacts of one identity. */
  readonly contacts: {
    list(identity: Identity): readonly Contact[]
    /** By name or key. @throws {AlliumError} `NO_CONTACT`. */
    find(identity: Identity, nameOrKey: string): Contact
  }
  /** Gives a declared offer its runner; every declared offer needs one before `start` resolves. */
  answer<O extends Offer>(offer: O, run: OfferRun<O>): void
  /** Tells the router's event stream; `data` must survive JSON. The event is named `<plugin>.<event>`. */
  emit(event: string, data: Readonly<Record<string, unknown>>): void
  /** Answers channels of this protocol from accepted contacts, to any identity. The handler owns the channel. */
  serve(protocol: string, handle: (peer: PeerChannel) => Promise<void>): void
  /**
   * Opens a channel to an accepted contact, over the link that stands or a new one.
   *
   * @param call.lane - 1 to 8: over a link of its own beside that one, for bulk, kept for a minute after its last channel.
   * @throws {AlliumError} `PEER_UNREACHABLE`, `NO_CONTACT`, `LINK_LOST`, `ABORTED`.
   */
  open(
    to: { identity: Identity; contact: Contact },
    protocol: string,
    call: { signal: AbortSignal; lane?: number },
  ): Promise<Channel>
  /** Calls `listener` each time a link to a contact comes up, whoever dialled: the moment to send what waits. */
  onReachable(listener: (peer: { identity: Identity; contact: Contact }) => void): void
  /** Calls `listener` when something is learnt of a contact; not again after a restart. */
  onContact(listener: (news: ContactNews) => void): void
  /** Letters to and from contacts. */
  readonly mail: PluginMail
  /** Sealed bytes at towers, for who is away. */
  readonly blobs: PluginBlobs
  /** Keeps a part of the plugin's own in the backups of identities; once, at start. */
  backup(part: BackupPart): void
  /** Runs an offer of this router as its user would. @throws {AlliumError} `BAD_INPUT`, `NO_OFFER`, what the offer says. */
  ask(verb: string, input: Readonly<Record<string, unknown>>, call: OfferCall): Promise<unknown>
  /** Opens a supervised session that belongs to the plugin alone. */
  session(options: OwnSessionOptions): Promise<Session>
  /**
   * Answers links that anybody opens to a session of the plugin's own; callers must know address and key. The key is as
   * lasting as the session's. The handler owns the channel. One listener for each session.
   */
  listen(
    session: Session,
    protocol: string,
    handle: (visit: Visit) => Promise<void>,
  ): Promise<Listener>
  /** Forgets the persistent keys of a session that is closed: its address can never come back. */
  forgetSession(name: string): Promise<void>
}

/** A plugin: both ends of what it speaks run Allium. */
export interface Plugin {
  /** Unique, lower-case letters, digits and dashes. */
  readonly name: string
  readonly offers: readonly Offer[]
  /** Starts; what it returns is closed last. Must resolve within 30 s. */
  start(context: PluginContext): Promise<AsyncDisposable | undefined>
}

/** Declares a plugin. */
export function definePlugin(plugin: Plugin): Plugin {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(plugin.name))
    throw new TypeError(
      `Cannot define plugin: name is "${plugin.name}", expected a-z, 0-9 and dashes`,
    )
  return plugin
}
