/**
 * An envelope that came: what opens it, what it says, and the letters that are whole with it.
 *
 * @see docs/protocol/letter.md "Receiving"
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError, isAlliumError, toAlliumError } from "../../base/errors.ts"
import type { Opened } from "../envelope/crypto.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Draft } from "./draft.ts"
import { advance, hearPart, nextLetter, oweAgain } from "./incoming.ts"
import { readIntroduction } from "./introduction.ts"
import { listJournal, type Session, toHex } from "./kept.ts"
import { CONTROL_TOPIC, readBody } from "./letter.ts"
import { hearAck, ofPlugins, renewOrigin } from "./outgoing.ts"
import { type Payload, readPayload } from "./payload.ts"
import type { InLetter, LetterState, Reception } from "./post.ts"
import { learn } from "./prekeys.ts"
import { equal, hearOrigin, inOrder, keepSession } from "./sessions.ts"

/** Bytes of the hash by which an envelope is known again. */
const DIGEST_BYTES = 8
/** Digests that are kept with the state; then they go into a row of their own. */
const RECENT_DIGESTS = 32
/** Rows of digests kept: with the recent ones, 1,056 envelopes are known again. */
const DIGEST_ROWS_MAX = 32

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

/** Hands over all letters that are whole; the caller has the turn. @returns Whether one could not be. */
export async function handOverAll(it: Correspondent): Promise<boolean> {
  try {
    let handed: Handed = "handed"
    while (handed === "handed") handed = await it.change((draft) => handOver(it, draft))
    return handed === "stuck"
  } catch (error) {
    it.options.log.warn("hand-over", { code: toAlliumError(error).code })
    return true
  }
}

async function hear(it: Correspondent, draft: Draft, envelope: Uint8Array): Promise<Verdict> {
  const opened = openIt(it, draft, envelope) ?? (await accept(it, draft, envelope))
  if (opened === undefined) return again(draft, digestOf(envelope))
  if (opened === "seen") return again(draft, undefined)
  remember(draft, digestOf(envelope))
  const payload = readOrNothing(opened.payload)
  if (payload === undefined) it.options.log.warn("bad-payload")
  else await hearPayload(it, draft, { payload, session: opened.session })
  return "taken"
}

interface Heard {
  readonly session: Session
  readonly payload: Uint8Array
}

function openIt(it: Correspondent, draft: Draft, envelope: Uint8Array): Heard | undefined {
  const { crypto, clock } = it.options
  for (const session of inOrder(draft.sessions, draft.state)) {
    const opened = crypto.open(session.crypto, envelope, { nowMs: clock.now() })
    if (opened === undefined) continue
    const next = { ...session, crypto: opened.session }
    keepSession(draft, next)
    return { session: next, payload: opened.payload }
  }
  return undefined
}

/** A session that they begin; its epoch stands in the payload. */
async function accept(
  it: Correspondent,
  draft: Draft,
  envelope: Uint8Array,
): Promise<Heard | "seen" | undefined> {
  const { crypto, self, clock } = it.options
  for (const [id, prekeys] of draft.prekeys) {
    const opened = crypto.accept(self, prekeys, envelope, { nowMs: clock.now() })
    if (opened === undefined || !equal(opened.peerKey, it.key)) continue
    const name = toHex(opened.session.name)
    if ((await draft.tables.seen.get(name)) !== undefined) return "seen"
    if (draft.state.seenCount >= SEEN_MAX) return undefined
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
  return { session, payload: opened.payload }
}

/** What was taken before is answered, so that it does not come for ever. */
async function again(draft: Draft, digest: Uint8Array | undefined): Promise<Verdict> {
  if (digest !== undefined && !(await isKnown(draft, digest))) return "unreadable"
  oweAgain(draft)
  return "known"
}

function digestOf(envelope: Uint8Array): Uint8Array {
  return createHash("sha256").update(envelope).digest().subarray(0, DIGEST_BYTES)
}

function remember(draft: Draft, digest: Uint8Array): void {
  const { state, tables } = draft
  const recent = new Uint8Array(Buffer.concat([state.recent, digest]))
  const isFull = recent.length >= RECENT_DIGESTS * DIGEST_BYTES
  state.recent = isFull ? new Uint8Array() : recent
  if (!isFull) return
  const row = tables.taken.append(recent)
  draft.add(row)
  if (row.sequence > DIGEST_ROWS_MAX) draft.add(tables.taken.remove(row.sequence - DIGEST_ROWS_MAX))
}

async function isKnown(draft: Draft, digest: Uint8Array): Promise<boolean> {
  const rows = await listJournal(draft.tables.taken)
  return [draft.state.recent, ...rows.map(([, row]) => row)].some((row) => {
    for (let at = 0; at < row.length; at += DIGEST_BYTES)
      if (equal(row.subarray(at, at + DIGEST_BYTES), digest)) return true
    return false
  })
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
  { payload, session }: { payload: Payload; session: Session },
): Promise<void> {
  const { options, peer } = it
  const restored = hearOrigin(draft, session, payload.origin)
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

/** Takes the oldest letters out of the outbox and says how they ended. */
export async function settle(
  it: Correspondent,
  draft: Draft,
  end: { entries: readonly { topic: string; name: string }[]; state: LetterState },
): Promise<void> {
  draft.add(...it.outbox.removal(draft.removedCount, end.entries.length))
  draft.removedCount += end.entries.length
  await report(it, draft, end)
}

/** Says what became of letters. */
export async function report(
  it: Correspondent,
  draft: Draft,
  { entries, state }: { entries: readonly { topic: string; name: string }[]; state: LetterState },
): Promise<void> {
  for (const { name, topic } of ofPlugins(entries)) {
    const call = () => it.options.report(it.peer, name, topic, state)
    receive(draft, await unlessBad(call))
  }
}

function receive(draft: Draft, reception: Reception | undefined): void {
  draft.add(...(reception?.changes ?? []))
  draft.after(reception?.done)
}

/** `undefined` when the plugin says that nothing good will ever come of it. */
async function unlessBad(call: () => Promise<Reception>): Promise<Reception | undefined> {
  try {
    return await call()
  } catch (error) {
    if (isAlliumError(error, "BAD_RECORD")) return undefined
    throw error
  }
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

type Handed = "handed" | "nothing" | "stuck"

/** Hands over the next letter, if it is whole. */
async function handOver(it: Correspondent, draft: Draft): Promise<Handed> {
  const next = await nextLetter(draft)
  if (next === undefined) return "nothing"
  try {
    receive(draft, await unlessBad(() => handOverBody(it, draft, next.body)))
  } catch (error) {
    it.options.log.warn("hand-over", { code: toAlliumError(error).code })
    return "stuck"
  }
  advance(draft, next)
  return "handed"
}

async function handOverBody(it: Correspondent, draft: Draft, body: Uint8Array): Promise<Reception> {
  const letter: InLetter = readBody(body)
  if (letter.topic !== CONTROL_TOPIC) return it.options.deliver(it.peer, letter)
  try {
    learn(it, draft, readIntroduction(letter.content))
  } catch (error) {
    it.options.log.warn("bad-introduction", { code: toAlliumError(error).code })
    throw new AlliumError("BAD_RECORD", "Cannot read control letter: it is malformed")
  }
  return { changes: [] }
}
