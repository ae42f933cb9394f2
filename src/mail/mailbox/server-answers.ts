/**
 * Asks a mailbox what a frame asks, and makes the frame that answers.
 *
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import { GET_ENVELOPES_MAX } from "./limits.ts"
import type { Mailbox, MailCall, PutAnswer } from "./mailbox.ts"
import type { Answer, Request } from "./wire.ts"

/** Requests that have one end: an answer. */
export type CallRequest = Exclude<Request, { kind: "more" | "cancel" | "chunk" | "subscribe" }>
type PlainRequest = Exclude<CallRequest, { kind: "putBlob" | "getBlob" }>
/** Writes an answer that is not the last. */
type Say = (answer: Answer) => Promise<void>
type Deed<K> = (
  mailbox: Mailbox,
  request: Extract<PlainRequest, { kind: K }>,
  call: MailCall,
  say: Say,
) => Promise<Answer>

/** @returns The last answer. Rejects with what the mailbox says. */
export function answerRequest(
  mailbox: Mailbox,
  request: PlainRequest,
  call: MailCall,
  say: Say,
): Promise<Answer> {
  const deed = DEEDS[request.kind] as Deed<PlainRequest["kind"]>
  return deed(mailbox, request, call, say)
}

const DEEDS: { readonly [K in PlainRequest["kind"]]: Deed<K> } = {
  async make(mailbox, { tag, queue: kind, token }, call) {
    const made = await mailbox.make({ kind, ...(token && { token }) }, call)
    return { kind: "made", tag, ...made }
  },
  async put(mailbox, { tag, sendId, id, envelope, toll }, call) {
    const item = { sendId, id, envelope, ...(toll && { toll }) }
    return fromPutAnswer(tag, await mailbox.put(item, call))
  },
  async get(mailbox, { tag, receiveId, after, limit }, call, say) {
    if (limit < 1 || limit > GET_ENVELOPES_MAX)
      throw new AlliumError("BAD_INPUT", `Cannot get ${limit} envelopes: expected 1 to 64`)
    for (const { number, envelope } of await mailbox.get(receiveId, { after, limit }, call))
      await say({ kind: "envelope", tag, number, envelope })
    return { kind: "done", tag }
  },
  async acknowledge(mailbox, { tag, receiveId, upTo }, call) {
    await mailbox.acknowledge(receiveId, upTo, call)
    return { kind: "done", tag }
  },
  async remove(mailbox, { tag, receiveId }, call) {
    await mailbox.remove(receiveId, call)
    return { kind: "done", tag }
  },
  async move(mailbox, { tag, receiveId, sealed }, call) {
    await mailbox.move(receiveId, sealed, call)
    return { kind: "done", tag }
  },
  async setGreeting(mailbox, { tag, receiveId, greeting }, call) {
    await mailbox.setGreeting(receiveId, greeting, call)
    return { kind: "done", tag }
  },
  async greeting(mailbox, { tag, sendId }, call) {
    const greeting = await mailbox.greeting(sendId, call)
    return greeting === undefined ? { kind: "none", tag } : { kind: "greeting", tag, greeting }
  },
  async issueTokens(mailbox, { tag, invitation, blinded }, call) {
    return { kind: "issued", tag, ...(await mailbox.issueTokens({ invitation, blinded }, call)) }
  },
  async tokenKey(mailbox, { tag }, call) {
    return { kind: "tokenKey", tag, ...(await mailbox.tokenKey(call)) }
  },
  async addTicket(mailbox, { tag, receiveId, ticketHash }, call) {
    await mailbox.addTicket(receiveId, ticketHash, call)
    return { kind: "done", tag }
  },
}

function fromPutAnswer(tag: number, answer: PutAnswer): Answer {
  if (answer.kind === "toll") return { ...answer, tag }
  if (answer.kind === "gone" && answer.moved !== undefined)
    return { kind: "moved", tag, sealed: answer.moved }
  return { kind: "put", tag, answer: answer.kind }
}
