/**
 * What a tower is paid with: it signs tokens for those who were invited, and takes each token once.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto"
import { ristretto255, ristretto255_oprf } from "@noble/curves/ed25519.js"
import type { Clock } from "../../../base/clock.ts"
import { AlliumError } from "../../../base/errors.ts"
import type { RandomBytes } from "../../../base/random.ts"
import { ISSUE_TOKENS_MAX } from "../limits.ts"
import type { IssuedTokens, TokenKey } from "../mailbox.ts"
import { badToken, splitToken } from "../tokens.ts"
import { hashBytes, hashText } from "./hash.ts"
import { EPOCH_TOKENS_MAX, INVITATION_TOKENS_MAX, INVITATIONS_MAX } from "./limits.ts"
import type { InvitationRow, KeysRow } from "./rows.ts"
import type { TowerDraft, TowerState } from "./state.ts"
import type { Writer } from "./writer.ts"

/** Evaluation with the key (RFC 9497, 3.3.2) is there; the package's types do not know it. */
type Voprf = typeof ristretto255_oprf.voprf & {
  evaluate(secret: Uint8Array, input: Uint8Array): Uint8Array
}
const voprf = ristretto255_oprf.voprf as Voprf
/** Key of the one row of the keys table. */
const KEYS = "keys"
/** Spent tokens of old epochs that are removed in one commit. */
const SWEEP_TOKENS = 256

/** An invitation as its maker sees it; the secret itself is shown once, when it is made. */
export interface Invitation {
  /** Names it for {@linkcode Tills.revoke}: its hash, base64url, 43 characters. */
  readonly name: string
  readonly label: string | undefined
  readonly madeS: number
  /** Tokens it was good for, and still is. */
  readonly count: number
  readonly left: number
}

/** See the module. */
export class Tills {
  readonly #state: TowerState
  readonly #writer: Writer<TowerDraft>
  readonly #clock: Clock
  readonly #random: RandomBytes

  constructor(
    state: TowerState,
    writer: Writer<TowerDraft>,
    { clock, random }: { clock: Clock; random: RandomBytes },
  ) {
    this.#state = state
    this.#writer = writer
    this.#clock = clock
    this.#random = random
  }

  /** The tower's keys; made when there are none yet. */
  async keys(): Promise<KeysRow> {
    return (await this.#state.tables.keys.get(KEYS)) ?? this.#makeKeys()
  }

  async tokenKey(): Promise<TokenKey> {
    const { epoch, current } = await this.keys()
    return { epoch, publicKey: publicKeyOf(current) }
  }

  /** Checks a token. Takes about 1 ms; must be followed by {@linkcode Tills.spend}. @throws {AlliumError} `BAD_TOKEN`. */
  async check(token: Uint8Array): Promise<void> {
    const keys = await this.keys()
    const { epoch, input, output } = splitToken(token)
    const secret = epoch === keys.epoch ? keys.current : previousOf(keys, epoch)
    if (secret === undefined) throw badToken("it is too old, or not of this tower")
    if (!timingSafeEqual(voprf.evaluate(secret, input), output))
      throw badToken("this tower did not sign it")
  }

  /** @throws {AlliumError} `BAD_TOKEN` when it was spent before, or its epoch ended meanwhile. */
  async spend(draft: TowerDraft, token: Uint8Array): Promise<void> {
    const { epoch } = splitToken(token)
    const key = hashText("token", token)
    const keys = await draft.keys.get(KEYS)
    if (keys === undefined || keys.epoch - epoch > 1) throw badToken("it is too old")
    if ((await draft.spent.get(key)) !== undefined) throw badToken("it was spent before")
    draft.spent.put(key, epoch)
  }

  /** @throws {AlliumError} `BAD_TOKEN` when the invitation is unknown or has not so many left. */
  async issue(wish: {
    invitation: Uint8Array
    blinded: readonly Uint8Array[]
  }): Promise<IssuedTokens> {
    const key = hashText("invitation", wish.invitation)
    const request = hashBytes("invitation", Buffer.concat(wish.blinded))
    requireCount(wish.blinded.length)
    costOf(await this.#state.tables.invitations.get(key), request, wish.blinded.length)
    const keys = await this.keys()
    const issued = evaluate(keys, wish.blinded)
    await this.#writer.run((draft) => this.#book(draft, { key, request, keys, issued }))
    return issued
  }

  /** @returns The secret, 32 bytes: whoever shows it gets tokens. */
  async invite(count: number, label?: string): Promise<Uint8Array> {
    if (!Number.isInteger(count) || count < 1 || count > INVITATION_TOKENS_MAX)
      throw new AlliumError("BAD_INPUT", `Cannot invite for ${count} tokens: expected 1 to 10,000`)
    const all = await this.invitations()
    if (all.length >= INVITATIONS_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot invite: there are ${all.length} invitations`)
    const secret = this.#random(32)
    const row = { left: count, count, madeS: Math.floor(this.#clock.now() / 1_000), label }
    const key = hashText("invitation", secret)
    await this.#writer.run(async (draft) => draft.invitations.put(key, row))
    return secret
  }

  /** In no particular order; those that are used up included. */
  async invitations(): Promise<Invitation[]> {
    const all: Invitation[] = []
    for await (const [
      name,
      { label, madeS, count, left },
    ] of this.#state.tables.invitations.entries())
      all.push({ name, label, madeS, count, left })
    return all
  }

  /** Tokens that were given out stay good. @throws {AlliumError} `NOT_FOUND`. */
  revoke(name: string): Promise<void> {
    return this.#writer.run(async (draft) => {
      if ((await draft.invitations.get(name)) === undefined)
        throw new AlliumError("NOT_FOUND", "Cannot revoke: there is no such invitation")
      draft.invitations.remove(name)
    })
  }

  /** Forgets spent tokens that are void anyway. */
  async sweep(signal: AbortSignal): Promise<void> {
    const { epoch } = await this.keys()
    let old: string[] = []
    for await (const [key, spentIn] of this.#state.tables.spent.entries()) {
      if (signal.aborted) return
      if (epoch - spentIn > 1) old.push(key)
      if (old.length < SWEEP_TOKENS) continue
      await this.#forget(old)
      old = []
    }
    await this.#forget(old)
  }

  #forget(old: readonly string[]): Promise<void> {
    return this.#writer.run(async (draft) => {
      for (const key of old) draft.spent.remove(key)
    })
  }

  #makeKeys(): Promise<KeysRow> {
    return this.#writer.run(async (draft) => {
      const known = await draft.keys.get(KEYS)
      if (known !== undefined) return known
      const fresh = { epoch: 1, current: freshKey(this.#random), issued: 0, door: this.#random(32) }
      draft.keys.put(KEYS, fresh)
      return fresh
    })
  }

  /** Counts what was signed; when this key has signed enough, the next one begins. */
  async #book(
    draft: TowerDraft,
    done: { key: string; request: Uint8Array; keys: KeysRow; issued: IssuedTokens },
  ): Promise<void> {
    const count = done.issued.evaluated.length
    const row = await draft.invitations.get(done.key)
    const cost = costOf(row, done.request, count)
    const keys = (await draft.keys.get(KEYS))!
    if (keys.epoch !== done.keys.epoch)
      throw new AlliumError("BUSY", "Cannot sign: the key changed")
    draft.invitations.put(done.key, { ...row!, left: row!.left - cost, last: done.request })
    draft.keys.put(KEYS, afterIssuing(keys, cost, this.#random))
  }
}

function afterIssuing(keys: KeysRow, count: number, random: RandomBytes): KeysRow {
  const issued = keys.issued + count
  if (issued < EPOCH_TOKENS_MAX) return { ...keys, issued }
  const { epoch, current: previous, door } = keys
  return { epoch: epoch + 1, current: freshKey(random), previous, issued: 0, door }
}

/** What an invitation is charged: nothing when the same was asked just before. @throws {AlliumError} `BAD_TOKEN`. */
function costOf(row: InvitationRow | undefined, request: Uint8Array, count: number): number {
  if (row === undefined) throw badToken("the invitation is not known here")
  if (row.last !== undefined && Buffer.compare(row.last, request) === 0) return 0
  if (row.left < count) throw badToken("the invitation has not so many left")
  return count
}

function requireCount(count: number): void {
  if (count >= 1 && count <= ISSUE_TOKENS_MAX) return
  throw new AlliumError("BAD_INPUT", `Cannot sign ${count} tokens: expected 1 to 64`)
}

function evaluate(keys: KeysRow, blinded: readonly Uint8Array[]): IssuedTokens {
  const publicKey = publicKeyOf(keys.current)
  try {
    const points = blinded as Uint8Array[]
    return {
      epoch: keys.epoch,
      publicKey,
      ...voprf.blindEvaluateBatch(keys.current, publicKey, points),
    }
  } catch (cause) {
    throw new AlliumError("BAD_INPUT", "Cannot sign: what was asked is no group element", { cause })
  }
}

function previousOf(keys: KeysRow, epoch: number): Uint8Array | undefined {
  return epoch === keys.epoch - 1 ? keys.previous : undefined
}

function freshKey(random: RandomBytes): Uint8Array {
  return voprf.deriveKeyPair(random(32), new TextEncoder().encode("allium tower tokens v1"))
    .secretKey
}

function publicKeyOf(secret: Uint8Array): Uint8Array {
  const { Point } = ristretto255
  return Point.BASE.multiply(Point.Fn.fromBytes(secret)).toBytes()
}
