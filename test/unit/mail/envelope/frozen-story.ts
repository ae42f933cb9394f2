/**
 * Players of envelopes, ours and plain ones, and the story that is frozen in `test/vectors/mail/envelopes.json`.
 *
 * @module
 */
import { secretFor } from "../../../../src/identity/paths.ts"
import type { CryptoSession } from "../../../../src/mail/envelope/crypto.ts"
import { createEnvelopeCrypto } from "../../../../src/mail/envelope/envelope-crypto.ts"
import {
  makePlainPrekeys,
  type PlainPerson,
  PlainSession,
} from "../../../support/plain-envelopes.ts"
import { ann, bob, bytes, NOW, seededRandom, text } from "./people.ts"

const plainOf = (fill: number): PlainPerson => {
  const seed = new Uint8Array(64).fill(fill)
  return {
    identitySecret: secretFor(seed, { identity: 0, purpose: "identity" }),
    agreementSecret: secretFor(seed, { identity: 0, purpose: "agreement" }),
  }
}
export const plainAnn = plainOf(1)
export const plainBob = plainOf(2)

/** One side of a session, whoever made it. */
export interface Side {
  readonly name: Uint8Array
  seal(payload: Uint8Array): Uint8Array
  open(envelope: Uint8Array): Uint8Array | undefined
}

class OurSide implements Side {
  #session: CryptoSession
  readonly #crypto

  constructor(session: CryptoSession, crypto: ReturnType<typeof createEnvelopeCrypto>) {
    this.#session = session
    this.#crypto = crypto
  }
  get name() {
    return this.#session.name
  }
  seal(payload: Uint8Array) {
    const { session, envelope } = this.#crypto.seal(this.#session, payload)
    this.#session = session
    return envelope
  }
  open(envelope: Uint8Array) {
    const opened = this.#crypto.open(this.#session, envelope, NOW)
    this.#session = opened?.session ?? this.#session
    return opened?.payload
  }
}

/** A way to play both roles. */
export interface Player {
  prekeys(): { secret: Uint8Array; bundle: Uint8Array }
  begin(bundle: Uint8Array): Side
  /** Opens nothing yet but the hello. */
  accept(prekeys: { secret: Uint8Array; bundle: Uint8Array }, envelope: Uint8Array): Side
}

export const ours = (who: "ann" | "bob", seed: string): Player => {
  const crypto = createEnvelopeCrypto({ random: seededRandom(seed) })
  const self = who === "ann" ? ann : bob
  return {
    prekeys: () => crypto.makePrekeys(self),
    begin: (bundle) => new OurSide(crypto.begin(self, bundle), crypto),
    accept: (prekeys, envelope) =>
      new OurSide(crypto.accept(self, prekeys, envelope, NOW)!.session, crypto),
  }
}

export const plain = (who: "ann" | "bob", seed: string): Player => {
  const random = seededRandom(seed)
  const self = who === "ann" ? plainAnn : plainBob
  return {
    prekeys: () => makePlainPrekeys(self, random),
    begin: (bundle) => PlainSession.begin(self, bundle, random),
    accept: (prekeys, envelope) => {
      const session = PlainSession.accept(self, prekeys, envelope, random)!
      session.open(envelope)
      return session
    },
  }
}

/** Ann says three things, Bob hears the second first; they answer each other; the third comes when nobody expects it any more. */
export const STORY = [
  { by: "ann", payload: "first 0", opensAfter: 1 },
  { by: "ann", payload: "first 1", opensAfter: 1 },
  { by: "ann", payload: "first 2", opensAfter: 6 },
  { by: "bob", payload: "answer", opensAfter: 3 },
  { by: "ann", payload: "later 0", opensAfter: 4 },
  { by: "bob", payload: "again", opensAfter: 5 },
  { by: "ann", payload: "last", opensAfter: 6 },
] as const

/** Plays the story; each envelope is opened when so many were sealed. */
export function play(players: { ann: Player; bob: Player }) {
  const prekeys = players.bob.prekeys()
  const sides: { ann: Side; bob: Side | undefined } = {
    ann: players.ann.begin(prekeys.bundle),
    bob: undefined,
  }
  const envelopes: Uint8Array[] = []
  const heard: (string | undefined)[] = []
  for (const [at, { by, payload }] of STORY.entries()) {
    envelopes.push(sides[by]!.seal(bytes(payload)))
    if (at === 1) sides.bob = players.bob.accept(prekeys, envelopes[1]!)
    for (const [index, step] of STORY.entries())
      if (step.opensAfter === at && index !== 1)
        heard.push(text(sides[step.by === "ann" ? "bob" : "ann"]!.open(envelopes[index]!)))
  }
  return { prekeys, name: sides.ann.name, envelopes, heard }
}
