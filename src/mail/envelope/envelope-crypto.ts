/**
 * Seals and opens envelopes: PQXDH, the Double Ratchet with header encryption, ML-KEM-768 in every turn.
 *
 * @see docs/protocol/envelope.md
 * @module
 */
import type { RandomBytes } from "../../base/random.ts"
import { NONCE_BYTES } from "./aead.ts"
import { makePrekeys, openPrekeys, readBundle } from "./bundle.ts"
import type { EnvelopeCrypto, FirstOpened, MailSelf, Opened, Prekeys } from "./crypto.ts"
import { openFrame, openHello, sealFrame } from "./frame.ts"
import { answerHandshake, beginHandshake } from "./handshake.ts"
import { HYBRID_SUITE } from "./hybrid-keys.ts"
import { readableChains, takeReceivingKey, takeSendingKey } from "./ratchet.ts"
import { answerRatchet, beginRatchet } from "./ratchet-state.ts"
import { Session, type SessionState } from "./session.ts"
import { readSession, writeSession } from "./session-file.ts"

/** @param options.random - For keys and nonces; whoever can foresee it can read everything. */
export function createEnvelopeCrypto({ random }: { random: RandomBytes }): EnvelopeCrypto {
  return {
    makePrekeys: (self) => makePrekeys(self, random),
    ownerOf: (bundle) => new Uint8Array(readBundle(bundle).owner.identityKey),
    begin: (self, bundle) => begin(self, bundle, random),
    accept,
    seal: (session, payload) => seal(Session.stateOf(session), payload, random),
    open: (session, envelope, { nowMs }) => open(Session.stateOf(session), envelope, nowMs),
    exportSession: (session) => writeSession(Session.stateOf(session)),
    importSession: (bytes) => new Session(readSession(bytes)),
  }
}

function begin(self: MailSelf, bytes: Uint8Array, random: RandomBytes): Session {
  const bundle = readBundle(bytes)
  const { bound, start, hello } = beginHandshake(self, bundle, random)
  const ratchet = beginRatchet(start, bundle.prekey)
  return new Session({ bound, begun: true, hello: { key: bundle.helloKey, bytes: hello }, ratchet })
}

function accept(
  self: MailSelf,
  prekeys: Prekeys,
  envelope: Uint8Array,
  { nowMs }: { nowMs: number },
): FirstOpened | undefined {
  const { bundle, openKeys } = openPrekeys(prekeys)
  const hello = openHello(bundle.helloKey, envelope)
  if (hello === undefined) return undefined
  const keys = openKeys()
  const handshake = answerHandshake(self, { bundle, keys }, hello)
  if (handshake === undefined) return undefined
  const { bound, start, peer } = handshake
  const state = { bound, begun: false, hello: undefined, ratchet: answerRatchet(start, keys) }
  const opened = open(state, envelope, nowMs)
  return opened && { ...opened, peerKey: new Uint8Array(peer.identityKey) }
}

function seal(state: SessionState, payload: Uint8Array, random: RandomBytes) {
  const { bound, hello } = state
  const taken = takeSendingKey(HYBRID_SUITE, state.ratchet, random)
  const { header, headerKey, messageKey } = taken
  const nonce = random(NONCE_BYTES)
  const envelope = sealFrame({ bound, nonce, hello, header, headerKey, messageKey, payload })
  return { session: new Session({ ...state, ratchet: taken.state }), envelope }
}

function open(state: SessionState, envelope: Uint8Array, clockMs: number): Opened | undefined {
  const nowMs = Math.max(0, Math.floor(clockMs)) // as it is written to disk
  const frame = openFrame(state.bound, envelope)
  if (frame === undefined) return undefined
  for (const { headerKey, first } of readableChains(state.ratchet)) {
    const header = frame.header(headerKey, first)
    if (header === undefined) continue
    const taken = takeReceivingKey(HYBRID_SUITE, state.ratchet, { headerKey, header, nowMs })
    const payload = taken && frame.payload(taken.messageKey, first)
    if (taken === undefined || payload === undefined) return undefined
    const session = new Session({ ...state, hello: undefined, ratchet: taken.state })
    return { session, payload }
  }
  return undefined
}
