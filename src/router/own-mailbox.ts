/**
 * An identity as its own mailbox: what its contacts may do over a link, and how it does the same at theirs.
 *
 * @see docs/protocol/mailbox.md "At home"
 * @module
 */
import { untilAborted } from "../base/abort.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Identity } from "../identity/identity.ts"
import type { Channel } from "../link/link.ts"
import { openMailboxClient } from "../mail/mailbox/client.ts"
import type { Mailbox, PutAnswer } from "../mail/mailbox/mailbox.ts"
import { serveMailbox } from "../mail/mailbox/server.ts"
import { MAILBOX_PROTOCOL } from "../mail/mailbox/wire.ts"
import { writeIntroduction } from "../mail/post/introduction.ts"
import type { Post } from "../mail/post/post.ts"
import { linkName } from "./identity-links.ts"
import type { LetterChannel, Links } from "./links.ts"
import { deviceOf, keyOf } from "./mail-devices.ts"

/** A link that stands opens a channel at once; longer, and it is as good as lost. */
const OPEN_MS = 10_000
/** A link that looks for a new stream for so long is as good as lost. */
const ADRIFT_MS = 10_000
/** How often is looked whether it does. */
const LOOK_MS = 2_000

/** Serves our own mailbox to one contact, until the channel or `signal` ends. */
export function serveOwnMailbox(
  channel: Channel,
  peer: string,
  options: OwnMailboxOptions & { readonly signal: AbortSignal; readonly clock: Clock },
): Promise<void> {
  return serveMailbox(channel, ownMailbox(peer, options), options)
}

/** What our own mailbox stands on. */
export interface OwnMailboxOptions {
  readonly post: Post
  /** Whether they may put now: a contact can be removed while its link stands. */
  readonly admits: () => boolean
}

/** Putting and the greeting; the send id does not matter, for the link says who puts. */
export function ownMailbox(peer: string, { post, admits }: OwnMailboxOptions): Mailbox {
  return {
    async put({ envelope }): Promise<PutAnswer> {
      if (!admits()) return refuse()
      const fate = await post.take(peer, envelope)
      // What nothing of ours opens is taken too: the post begins anew by itself.
      return { kind: fate === "known" ? "duplicate" : "ok" }
    },
    async greeting() {
      if (!admits()) return refuse()
      return writeIntroduction(await post.introduce(peer))
    },
    make: refuse,
    get: refuse,
    subscribe: refuse,
    acknowledge: refuse,
    remove: refuse,
    move: refuse,
    setGreeting: refuse,
    putBlob: refuse,
    getBlob: refuse,
    issueTokens: refuse,
    tokenKey: refuse,
    addTicket: refuse,
  }
}

function refuse(): never {
  throw new AlliumError("MAILBOX_REFUSED", "Cannot do that: this is an identity's own mailbox")
}

/** A correspondent of one identity. */
interface Way {
  readonly identity: Identity
  readonly peer: string
}

/** A channel that is open, or being opened. */
interface Held {
  readonly way: Way
  readonly mailbox: Promise<Mailbox>
  opened?: LetterChannel
  /** For how long its link has been without a stream. */
  adriftMs: number
}

/** What the mailboxes of contacts stand on. */
export interface ContactMailboxesOptions {
  readonly links: Links
  /** Closes every channel. */
  readonly signal: AbortSignal
  readonly clock: Clock
  /** Told when a link that was given up has a stream again. */
  readonly onBack?: (peer: string) => void
}

/** Mailboxes of contacts and of our own devices over links that stand; one channel each, kept while it lasts. */
export class ContactMailboxes {
  readonly #links: Links
  readonly #signal: AbortSignal
  readonly #clock: Clock
  readonly #onBack: (peer: string) => void
  readonly #held = new Map<string, Held>()
  /** Given up while their links looked for a stream. */
  readonly #missed = new Map<string, Way>()

  constructor({ links, signal, clock, onBack = () => {} }: ContactMailboxesOptions) {
    this.#links = links
    this.#signal = signal
    this.#clock = clock
    this.#onBack = onBack
    this.#watch().catch(() => {})
  }

  /** Ends with the signal. */
  async #watch(): Promise<never> {
    for (;;) {
      await this.#clock.sleep(LOOK_MS, { signal: this.#signal })
      this.#look()
    }
  }

  /**
   * Dials nobody itself: the links do, and sooner for whom something waits; whoever comes up is told.
   * @throws {AlliumError} `PEER_UNREACHABLE` when no link stands.
   */
  reach(way: Way, call: { signal: AbortSignal }): Promise<Mailbox> {
    const name = nameOf(way)
    if (!this.isLinked(way)) {
      this.#missed.set(name, way)
      return Promise.reject(unreachable())
    }
    return untilAborted((this.#held.get(name) ?? this.#hold(way, name)).mailbox, call.signal)
  }

  /** Whether a link stands; one is looked for when not. */
  isLinked(way: Way): boolean {
    const stands = this.#standing()(way)
    if (!stands) this.#links.want(way.identity, way.peer)
    return stands
  }

  /** A link to them came up: what waits on one before it, which may never have a stream again, goes there. */
  came(way: Way): void {
    const opened = this.#held.get(nameOf(way))?.opened
    if (opened?.isAdrift()) opened.channel.destroy(unreachable())
  }

  #hold(way: Way, name: string): Held {
    const held: Held = { way, mailbox: this.#open(way, name), adriftMs: 0 }
    this.#held.set(name, held)
    held.mailbox.catch(() => this.#held.delete(name))
    return held
  }

  async #open(way: Way, name: string): Promise<Mailbox> {
    const opened = await this.#openChannel(way)
    const { channel } = opened
    const client = openMailboxClient(channel)
    const close = () => void client[Symbol.asyncDispose]()
    this.#signal.addEventListener("abort", close, { once: true })
    channel.on("error", () => {})
    channel.once("close", () => {
      this.#held.delete(name)
      this.#signal.removeEventListener("abort", close)
    })
    const held = this.#held.get(name)
    if (held !== undefined) held.opened = opened
    return client
  }

  /** The time is for opening alone: a channel ends with the signal it was opened with. */
  async #openChannel({ identity, peer }: Way): Promise<LetterChannel> {
    const late = new AbortController()
    const opened = new AbortController()
    const error = new AlliumError("TIMED_OUT", "Cannot reach contact: its link opens no channel")
    const alarm = this.#clock.sleep(OPEN_MS, { signal: opened.signal })
    alarm.then(
      () => late.abort(error),
      () => {},
    )
    try {
      const signal = AbortSignal.any([this.#signal, late.signal])
      return await this.#links.openPeer(identity, peer, MAILBOX_PROTOCOL, { signal })
    } finally {
      opened.abort()
    }
  }

  /** What waits on a link without a stream is given up when there is another, or after a while: letters may go by a tower. */
  #look(): void {
    const stands = this.#standing()
    for (const [name, held] of this.#held) {
      const stood = stands(held.way)
      const isAdrift = held.opened?.isAdrift() ?? !stood
      held.adriftMs = isAdrift ? held.adriftMs + LOOK_MS : 0
      if (held.adriftMs < (stood ? LOOK_MS : ADRIFT_MS)) continue
      this.#missed.set(name, held.way)
      held.opened?.channel.destroy(unreachable())
    }
    for (const [name, way] of this.#missed) {
      if (!stands(way)) continue
      this.#missed.delete(name)
      this.#onBack(way.peer)
    }
  }

  /** Answers for now; the list of an identity is made once. */
  #standing(): (way: Way) => boolean {
    const lists = new Map<string, ReadonlySet<string>>()
    return ({ identity, peer }) => {
      const known = lists.get(identity.key) ?? new Set(this.#links.correspondents(identity))
      lists.set(identity.key, known)
      return known.has(linkName(keyOf(peer), deviceOf(peer)))
    }
  }
}

function nameOf({ identity, peer }: Way): string {
  return `${identity.key}/${peer}`
}

function unreachable(): AlliumError {
  return new AlliumError("PEER_UNREACHABLE", "Cannot reach contact: no link")
}
