/**
 * The blind tokens of an identity: asked for with a tower's invitation, spent on queues.
 *
 * @module
 */
import { isAlliumError } from "../base/errors.ts"
import type { RandomBytes } from "../base/random.ts"
import { Turns } from "../base/turns.ts"
import type { Mailbox, MailCall, TokenKey } from "../mail/mailbox/mailbox.ts"
import { blindTokens, unblindTokens } from "../mail/mailbox/tokens.ts"
import type { TowerBook } from "./tower-book.ts"

/** Always as many, so that a tower does not learn how many contacts there are. */
export const TOKENS_AT_ONCE = 16

/** Bad ones in a row for one queue: all that may lie here from a key that is over, and some fresh ones. */
export const BAD_TOKENS_MAX = 32

/** Where new tokens come from. */
export interface TokenSource {
  readonly mailbox: Mailbox
  readonly invitation: Uint8Array
  /**
   * The key the tower signs with, heard in another session: a tower that signs with a key for us alone could tell our tokens
   * from others.
   */
  readonly key: (call: MailCall) => Promise<TokenKey>
}

/** Spends tokens, and fetches new ones when there are none. */
export interface TokenPurse {
  /** @throws {AlliumError} `BAD_TOKEN` when the invitation gives no more. */
  spend<T>(
    tower: string,
    source: TokenSource,
    call: MailCall,
    deed: (token: Uint8Array) => Promise<T>,
  ): Promise<T>
}

/** Opens the purse of one identity. */
export function openTokenPurse(book: TowerBook, random: RandomBytes): TokenPurse {
  const turns = new Turns()
  const fetch = async (tower: string, source: TokenSource, call: MailCall) => {
    const some = (count: number) => ask(source, { count, random }, call)
    // An invitation that is nearly used up still gives single ones.
    const tokens = await some(TOKENS_AT_ONCE).catch((error: unknown) => {
      if (isAlliumError(error, "BAD_TOKEN")) return some(1)
      throw error
    })
    await book.addTokens(tower, tokens)
  }
  const take = (tower: string, source: TokenSource, call: MailCall) =>
    turns.take(async () => {
      call.signal.throwIfAborted()
      if (book.tokenCount(tower) === 0) await fetch(tower, source, call)
      return book.takeToken(tower)
    })
  return {
    async spend(tower, source, call, deed) {
      for (let tries = 1; ; tries++) {
        const token = await take(tower, source, call)
        if (token === undefined) continue
        try {
          return await deed(token)
        } catch (error) {
          // A used token, or one of a key that is over, is gone; any other failure did not spend it for sure.
          const bad = isAlliumError(error, "BAD_TOKEN")
          if (!bad) await book.addTokens(tower, [token])
          if (!bad || tries >= BAD_TOKENS_MAX) throw error
        }
      }
    },
  }
}

async function ask(
  { mailbox, invitation, key }: TokenSource,
  { count, random }: { count: number; random: RandomBytes },
  call: MailCall,
): Promise<Uint8Array[]> {
  const pending = blindTokens(count, random)
  const blinded = pending.map((token) => token.blinded)
  const known = await key(call)
  return unblindTokens(pending, await mailbox.issueTokens({ invitation, blinded }, call), known)
}
