/**
 * An envelope that came: what opens it, what it says, and the letters that are whole with it.
 *
 * @see docs/protocol/letter.md "Receiving"
 * @module
 */
import { isAlliumError, toAlliumError } from "../../base/errors.ts"
import type { Opened } from "../envelope/crypto.ts"
import type { Correspondent } from "./correspondent.ts"
import { digestOf, isKnown, remember } from "./digests.ts"
import type { Draft } from "./draft.ts"
import { handOver, handOverAll, receive } from "./hand-over.ts"
import { hearPart, oweAgain } from "./incoming.ts"
import { toHex } from "./kept.ts"
import { CONTROL_TOPIC, readBody } from "./letter.ts"
import { hearAck, renewOrigin } from "./outgoing.ts"
import { type Payload, readPayload } from "./payload.ts"
import { settle } from "./reports.ts"
import { equal, type HeardIn, hearOrigin, inOrder, keepSession } from "./sessions.ts"

/** Sessions begun with prekeys that we still keep; with as many, no other can be begun until prekeys are forgotten. */
const SEEN_MAX = 4_096

/** What became of an envelope. */
export type Verdict = "taken" | "known" | "unreadable"

/** What taking an envelope brought, for whoever carries letters. */
export interface Arrival {
  readonly verdict: Verdict
  /** They acknowledged something. */
  readonly progress: boolean
  /** A letter is whole and could not be handed over. */
  readonly stuck: boolean
}

/** Takes one envelope and hands over what is whole; the caller has the turn. */
export async function takeEnvelope(it: Correspondent, envelope: Uint8Array): Promise<Arrival> {
  const waitingBefore = it.memory.state.base
  const first = await it.change(async (draft) => {
    const verdict = await hear(it, draft, envelope)
    return { verdict, handed: verdict === "taken" ? await handOver(it, draft) : "nothing" }
  })
  const stuck = first.handed === "handed" ? await handOverAll(it) : first.handed === "stuck"
  return { verdict: first.verdict, stuck, progress: it.memory.state.base !== waitingBefore }
}

async function hear(it: Correspondent, draft: Draft, envelope: Uint8Array): Promise<Verdict> {
  const opened = openIt(it, draft, envelope) ?? (await accept(it, draft, envelope))
  if (opened === undefined) return again(draft, digestOf(envelope))
  if (opened === "seen") return again(draft, undefined)
  remember(draft, digestOf(envelope))
  const payload = readOrNothing(opened.payload)
  if (payload === undefined) it.options.log.warn("bad-payload")
  else await hearPayload(it, draft, { payload, heard: opened })
  return "taken"
}

interface Heard extends HeardIn {
  readonly payload: Uint8Array
}

function openIt(it: Correspondent, draft: Draft, envelope: Uint8Array): Heard | undefined {
  const { crypto, clock } = it.options
  for (const session of inOrder(draft.sessions, draft.state)) {
    const opened = crypto.open(session.crypto, envelope, { nowMs: clock.now() })
    if (opened === undefined) continue
    const next = { ...session, crypto: opened.session }
    keepSession(draft, next)
    return { session: next, isFirst: false, payload: opened.payload }
  }
  return undefined
}

/** A session that they begin; its epoch stands in the payload. */
async function accept(
  it: Correspondent,
  draft: Draft,
  envelope: Uint8Array,
): Promise<Heard | "seen" | undefined> {
  const { crypto, clock } = it.options
  for (const [id, prekeys] of draft.prekeys) {
    const self = it.madeWith(prekeys.bundle)
    const opened = crypto.accept(self, prekeys, envelope, { nowMs: clock.now() })
    if (opened === undefined || !equal(opened.peerKey, it.keys.their)) continue
    const name = toHex(opened.session.name)
    if ((await draft.tables.seen.get(name)) !== undefined) return "seen"
    if (draft.state.seenCount >= SEEN_MAX) return undefined
    draft.state.boundTo = self.publicKey
    return keepAccepted(draft, opened, id)
  }
  return undefined
}

function keepAccepted(draft: Draft, opened: Opened, prekeyId: string): Heard {
  const name = toHex(opened.session.name)
  const epoch = readOrNothing(opened.payload)?.epoch ?? 0
  const session = { name, crypto: opened.session, epoch, peerOrigin: undefined }
  keepSession(draft, session)
  draft.add(draft.tables.seen.put(name, prekeyId))
  draft.state.seenCount++
  draft.state.answer = true
  return { session, isFirst: true, payload: opened.payload }
}

/** What was taken before is answered, so that it does not come for ever. */
async function again(draft: Draft, digest: Uint8Array | undefined): Promise<Verdict> {
  if (digest !== undefined && !(await isKnown(draft, digest))) return "unreadable"
  oweAgain(draft)
  return "known"
}

function readOrNothing(bytes: Uint8Array): Payload | undefined {
  try {
    return readPayload(bytes)
  } catch (error) {
    if (isAlliumError(error, "BAD_RECORD")) return undefined
    throw error
  }
}

async function hearPayload(
  it: Correspondent,
  draft: Draft,
  { payload, heard: heardIn }: { payload: Payload; heard: HeardIn },
): Promise<void> {
  const { options, peer } = it
  const restored = hearOrigin(draft, heardIn, payload.origin)
  if (restored) draft.after(() => options.told?.(peer, "restored"))
  const current = equal(payload.origin, draft.state.peerOrigin)
  for (const ack of payload.acks) {
    const heard = hearAck(draft, it.outbox, { ack, current, skip: draft.removedCount })
    if (heard.impossible) renewOrigin(draft, options.random)
    await settle(it, draft, { entries: heard.delivered, state: { kind: "delivered" } })
  }
  if (payload.part) hearPart(draft, payload.origin, payload.part)
  if (payload.flash) await hearFlash(it, draft, payload.flash)
}

async function hearFlash(it: Correspondent, draft: Draft, body: Uint8Array): Promise<void> {
  const { deliverFlash, deliver } = it.options
  try {
    const letter = readBody(body)
    if (letter.topic !== CONTROL_TOPIC)
      receive(draft, await (deliverFlash ?? deliver)(it.peer, letter))
  } catch (error) {
    it.options.log.debug("flash-dropped", { code: toAlliumError(error).code })
  }
}
