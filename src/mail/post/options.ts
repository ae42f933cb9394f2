/**
 * What a post needs of the world.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts"
import type { Log } from "../../base/log.ts"
import type { Chance, RandomBytes } from "../../base/random.ts"
import type { StoreRoom } from "../../store/store.ts"
import type { EnvelopeCrypto, MailSelf } from "../envelope/crypto.ts"
import type { Mailbox, MailCall } from "../mailbox/mailbox.ts"
import type { InLetter, Introduction, LetterState, Place, Reception } from "./post.ts"

/** A mailbox behind a place; closed when the post has put what it had. */
export type Putting = Pick<Mailbox, "put"> & AsyncDisposable

/**
 * What a person may want to know. `full`: a place has no room now. `gone`: a place is no more. `moved`: they put another in
 * its stead. `anew`: something of theirs could not be opened, a new session was begun. `restored`: they lost their memory,
 * and began with an empty one.
 */
export type PostNews = "full" | "gone" | "moved" | "anew" | "restored"

/** Between which keys letters go; either side may rotate its own. */
export interface PeerKeys {
  /** Those they know us by. */
  readonly own: MailSelf
  /** Ours that they may have known us by before; what was begun with them is still opened. */
  readonly older: readonly MailSelf[]
  /** Their identity key, 32 bytes. */
  readonly their: Uint8Array
}

/** See the module. */
export interface PostOptions {
  readonly self: MailSelf
  /** The keys that count now; by default `self` and the key in the correspondent's name. */
  keysFor?(peer: string): PeerKeys
  readonly crypto: EnvelopeCrypto
  /** The post's own; nobody else writes there. */
  readonly store: StoreRoom
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
  /** Where this correspondent may put for us, in order of preference, at most 4; the same until {@linkcode Post.placesChanged}. */
  ownPlaces(peer: string): Promise<readonly Place[]>
  /**
   * Opens the mailbox behind a place of theirs. Rejects when it cannot be had now; may take up to a minute. Several
   * correspondents may ask at once.
   */
  reach(peer: string, place: Place, call: MailCall): Promise<Putting>
  /**
   * Asked at the start about each correspondent for whom something waits and who has no place but their own mailbox. With `false`
   * they are not even read until {@linkcode Post.wake}; by default they are tried as others are.
   */
  isLinked?(peer: string): boolean
  /** Asks a correspondent who is online for an introduction; rejects when they are not. */
  greet?(peer: string, call: MailCall): Promise<Introduction>
  /**
   * Hands over a letter: each once, in order, one at a time for each correspondent. Throws `BAD_RECORD` to have it dropped for
   * good; after anything else it comes again later, and those behind it wait. It must not wait for `take`, `cancel`,
   * `meet`, `introduce` or `forget` of the same correspondent.
   */
  deliver(peer: string, letter: InLetter): Promise<Reception>
  /** Hands over a flash letter; what it throws drops the letter. By default flash letters are delivered like others. */
  deliverFlash?(peer: string, letter: InLetter): Promise<Reception>
  /**
   * Says what became of a letter of ours: `stored` at most once, then `delivered` or `failed` once. Receptions of several
   * reports may be committed together. What it throws makes the fact be learnt again later, except `BAD_RECORD`.
   */
  report(peer: string, name: string, topic: string, state: LetterState): Promise<Reception>
  /** Told for people, after the fact. */
  told?(peer: string, news: PostNews): void
}
