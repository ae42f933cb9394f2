/**
 * Blind tokens: a tower signs what it cannot see, and later takes it without knowing whom it gave it to.
 *
 * VOPRF of RFC 9497 with ristretto255-SHA512. The input is 32 random bytes; a token is the epoch of the tower's key
 * (4 bytes, big-endian), the input (32), and the output (64).
 *
 * @see https://www.rfc-editor.org/rfc/rfc9497
 * @see docs/protocol/mailbox.md#tokens
 * @module
 */
import { ristretto255_oprf } from "@noble/curves/ed25519.js"
import { AlliumError } from "../../base/errors.ts"
import type { RandomBytes } from "../../base/random.ts"
import type { IssuedTokens, TokenKey } from "./mailbox.ts"

const { voprf } = ristretto255_oprf
const INPUT_BYTES = 32

/** One token on its way: keep `input` and `blind` secret until the token is spent. */
export interface BlindedToken {
  /** 32 random bytes. */
  readonly input: Uint8Array
  /** 32 bytes. */
  readonly blind: Uint8Array
  /** What the tower sees, 32 bytes. */
  readonly blinded: Uint8Array
}

/** Makes what is shown to the tower; takes about 2 ms each. */
export function blindTokens(count: number, random: RandomBytes): BlindedToken[] {
  return Array.from({ length: count }, () => {
    const input = random(INPUT_BYTES)
    return { input, ...voprf.blind(input, (byteCount = 32) => random(byteCount) as never) }
  })
}

/**
 * Makes tokens of what the tower signed.
 *
 * @param known - The key this tower is known to sign with: asked for in another session ({@linkcode Mailbox.tokenKey}),
 * or kept from before. A tower that signed with a key for one friend alone could tell that friend's tokens apart.
 * @returns Tokens of 100 bytes, in the order of `pending`.
 * @throws {AlliumError} `BAD_TOKEN` when the key is another one or the proof does not hold.
 */
export function unblindTokens(
  pending: readonly BlindedToken[],
  issued: IssuedTokens,
  known: TokenKey,
): Uint8Array[] {
  if (issued.epoch !== known.epoch || Buffer.compare(issued.publicKey, known.publicKey) !== 0)
    throw badToken("it was signed with another key than the tower's")
  const outputs = finalize(pending, issued)
  return pending.map(({ input }, index) => joinToken(issued.epoch, input, outputs[index]!))
}

function finalize(pending: readonly BlindedToken[], issued: IssuedTokens): Uint8Array[] {
  if (pending.length !== issued.evaluated.length) throw badToken("another number was signed")
  const items = pending.map((one, index) => ({ ...one, evaluated: issued.evaluated[index]! }))
  try {
    return voprf.finalizeBatch(items, issued.publicKey, issued.proof)
  } catch (cause) {
    throw badToken("its proof does not hold", cause)
  }
}

/** Whose token it is, and what was signed. @throws {AlliumError} `BAD_TOKEN` when it is not 100 bytes long. */
export function splitToken(token: Uint8Array): {
  epoch: number
  input: Uint8Array
  output: Uint8Array
} {
  if (token.length !== 4 + INPUT_BYTES + 64) throw badToken("it has a wrong length")
  const epoch = new DataView(token.buffer, token.byteOffset).getUint32(0)
  return { epoch, input: token.slice(4, 36), output: token.slice(36) }
}

/** Not a token this tower takes. */
export function badToken(found: string, cause?: unknown): AlliumError {
  return new AlliumError("BAD_TOKEN", `Cannot use token: ${found}`, { cause })
}

function joinToken(epoch: number, input: Uint8Array, output: Uint8Array): Uint8Array {
  const token = new Uint8Array(4 + INPUT_BYTES + 64)
  new DataView(token.buffer).setUint32(0, epoch)
  token.set(input, 4)
  token.set(output, 36)
  return token
}
