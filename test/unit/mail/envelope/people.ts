/**
 * Two people with identities, and randomness that can be replayed.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { chacha20 } from "@noble/ciphers/chacha.js"
import type { RandomBytes } from "../../../../src/base/random.ts"
import { unlockIdentity } from "../../../../src/identity/unlocked.ts"
import type { CryptoSession, EnvelopeCrypto } from "../../../../src/mail/envelope/crypto.ts"
import { createEnvelopeCrypto } from "../../../../src/mail/envelope/envelope-crypto.ts"

/** When everything happens. */
export const NOW = { nowMs: Date.UTC(2026, 0, 1) }

/** ChaCha20's stream under SHA-256 of a text, 12 zero bytes of nonce: bytes that can be drawn anywhere again. */
export function seededRandom(seed: string): RandomBytes {
  const key = createHash("sha256").update(seed).digest()
  let drawn = 0
  return (byteCount) => {
    const stream = chacha20(key, new Uint8Array(12), new Uint8Array(drawn + byteCount))
    drawn += byteCount
    return stream.slice(drawn - byteCount)
  }
}

/** Keys from a seed of 64 equal bytes. */
export const ann = unlockIdentity(new Uint8Array(64).fill(1), { name: "ann", index: 0 })
/** Another one. */
export const bob = unlockIdentity(new Uint8Array(64).fill(2), { name: "bob", index: 0 })

/** A text as a payload, and back. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (payload: Uint8Array | undefined): string | undefined =>
  payload && new TextDecoder().decode(payload)

/** Ann has begun a session with Bob, and he has opened her first envelope. */
export function meet(crypto: EnvelopeCrypto): { ann: CryptoSession; bob: CryptoSession } {
  const prekeys = crypto.makePrekeys(bob)
  const first = crypto.seal(crypto.begin(ann, prekeys.bundle), bytes("hello"))
  const opened = crypto.accept(bob, prekeys, first.envelope, NOW)
  if (opened === undefined) throw new Error("Cannot meet: Bob did not open it")
  return { ann: first.session, bob: opened.session }
}

/** The same, and Bob has answered. */
export function meetAndAnswer(crypto: EnvelopeCrypto): { ann: CryptoSession; bob: CryptoSession } {
  const met = meet(crypto)
  const answer = crypto.seal(met.bob, bytes("welcome"))
  const opened = crypto.open(met.ann, answer.envelope, NOW)
  if (opened === undefined) throw new Error("Cannot meet: Ann did not open it")
  return { ann: opened.session, bob: answer.session }
}

/** With randomness of its own. */
export const seededCrypto = (seed: string): EnvelopeCrypto =>
  createEnvelopeCrypto({ random: seededRandom(seed) })
