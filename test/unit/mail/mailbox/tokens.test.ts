import { ristretto255_oprf } from "@noble/curves/ed25519.js"
import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../../src/base/random.ts"
import { blindTokens, splitToken, unblindTokens } from "../../../../src/mail/mailbox/tokens.ts"

const { voprf } = ristretto255_oprf
const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

/** RFC 9497, A.1.2: ristretto255-SHA512, mode VOPRF, batch size 1. */
const KEYS = {
  seed: new Uint8Array(32).fill(0xa3),
  info: new TextEncoder().encode("test key"),
  secret: hex("e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909"),
  publicKey: hex("c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e"),
}
const VECTOR = {
  input: hex("00"),
  blind: hex("64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"),
  blinded: hex("863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"),
  evaluated: hex("aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"),
  proof: hex(
    "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd066d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
  ),
  output: hex(
    "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
  ),
}

describe("blind tokens", () => {
  it("derive keys as RFC 9497 says", () => {
    const { secretKey, publicKey } = voprf.deriveKeyPair(KEYS.seed, KEYS.info)
    expect(secretKey).toEqual(KEYS.secret)
    expect(publicKey).toEqual(KEYS.publicKey)
  })

  it("make of RFC 9497's evaluation and proof the output it states", () => {
    const { publicKey } = KEYS
    const issued = { epoch: 7, publicKey, evaluated: [VECTOR.evaluated], proof: VECTOR.proof }
    const [token] = unblindTokens([VECTOR], issued, { epoch: 7, publicKey })
    expect(token!.slice(0, 4)).toEqual(Uint8Array.of(0, 0, 0, 7))
    expect(token!.slice(36)).toEqual(VECTOR.output)
  })

  it("show the tower another element each time", () => {
    const [one, two] = blindTokens(2, systemRandom)
    expect(one!.blinded).not.toEqual(two!.blinded)
    expect(one!.input).toHaveLength(32)
  })

  it.each(["proof", "key", "epoch", "element"])("refuse another %s", (what) => {
    const { secretKey, publicKey } = voprf.generateKeyPair()
    const pending = blindTokens(2, systemRandom)
    const points = pending.map(({ blinded }) => blinded)
    const batch = voprf.blindEvaluateBatch(secretKey, publicKey, points)
    const other = voprf.generateKeyPair()
    const issued = {
      epoch: what === "epoch" ? 2 : 1,
      publicKey: what === "key" ? other.publicKey : publicKey,
      evaluated: what === "element" ? batch.evaluated.toReversed() : batch.evaluated,
      proof:
        what === "proof"
          ? batch.proof.map((byte, at) => (at === 3 ? byte ^ 1 : byte))
          : batch.proof,
    }
    expect(() => unblindTokens(pending, issued, { epoch: 1, publicKey })).toThrow(
      expect.objectContaining({ code: "BAD_TOKEN" }),
    )
    const right = unblindTokens(pending, { ...batch, epoch: 1, publicKey }, { epoch: 1, publicKey })
    expect(splitToken(right[0]!)).toMatchObject({ epoch: 1, input: pending[0]!.input })
  })
})
