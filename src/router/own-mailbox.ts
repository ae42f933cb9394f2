/**
 * An identity as its own mailbox: what its contacts may do over a link, and how it does the same at theirs.
 *
 * @see docs/protocol/mailbox.md "At home"
 * @module
 */
import { untilAborted } from "../base/abort.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Channel } from "../link/link.ts"
import { openMailboxClient } from "../mail/mailbox/client.ts"
import type { Mailbox, PutAnswer } from "../mail/mailbox/mailbox.ts"
import { serveMailbox } from "../mail/mailbox/server.ts"
import { MAILBOX_PROTOCOL } from "../mail/mailbox/wire.ts"
import { writeIntroduction } from "../mail/post/introduction.ts"
import type { Post } from "../mail/post/post.ts"
import type { Links, Pair } from "./links.ts"

/** A link that stands opens a channel at once; longer, and it is as good as lost. */
const OPEN_MS = 10_000

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

/** Mailboxes of contacts over links that stand; one channel each, kept while it lasts. */
export class ContactMailboxes {
  readonly #links: Links
  readonly #signal: AbortSignal
  readonly #open = new Map<string, Promise<Mailbox>>()

  /** @param signal - Closes every channel. */
  constructor(links: Links, signal: AbortSignal) {
    this.#links = links
    this.#signal = signal
  }

  /**
   * Dials nobody: that is done all the time, and whoever comes up is told.
   * @throws {AlliumError} `PEER_UNREACHABLE` when no link stands.
   */
  reach(pair: Pair, call: { signal: AbortSignal }): Promise<Mailbox> {
    const { identity, contact } = pair
    const name = `${identity.key}/${contact.key}`
    const known = this.#open.get(name)
    if (known !== undefined) return untilAborted(known, call.signal)
    if (!this.#links.reachable(identity).includes(contact.key))
      return Promise.reject(new AlliumError("PEER_UNREACHABLE", "Cannot reach contact: no link"))
    const opening = this.#openOne(pair, name)
    this.#open.set(name, opening)
    opening.catch(() => this.#open.delete(name))
    return untilAborted(opening, call.signal)
  }

  async #openOne(pair: Pair, name: string): Promise<Mailbox> {
    const channel = await this.#openChannel(pair)
    const client = openMailboxClient(channel)
    const close = () => void client[Symbol.asyncDispose]()
    this.#signal.addEventListener("abort", close, { once: true })
    channel.on("error", () => {})
    channel.once("close", () => {
      this.#open.delete(name)
      this.#signal.removeEventListener("abort", close)
    })
    return client
  }

  /** The time is for opening alone: a channel ends with the signal it was opened with. */
  async #openChannel(pair: Pair): Promise<Channel> {
    const late = new AbortController()
    const error = new AlliumError("TIMED_OUT", "Cannot reach contact: its link opens no channel")
    const timer = setTimeout(() => late.abort(error), OPEN_MS)
    try {
      const signal = AbortSignal.any([this.#signal, late.signal])
      return await this.#links.open(pair, MAILBOX_PROTOCOL, { signal })
    } finally {
      clearTimeout(timer)
    }
  }
}
