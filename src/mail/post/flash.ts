/**
 * Letters that are worth nothing later: put directly now, or not at all.
 *
 * @module
 */
import { toAlliumError } from "../../base/errors.ts"
import { ENVELOPE_ID_BYTES, QUEUE_ID_BYTES } from "../mailbox/mailbox.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Courier } from "./courier.ts"
import { writeBody } from "./letter.ts"
import type { Putting } from "./options.ts"
import { FLASH_HEAD_BYTES, PAYLOAD_HEAD_BYTES, writePayload } from "./payload.ts"
import type { InLetter } from "./post.ts"
import { keepSession, preferred } from "./sessions.ts"
import { within } from "./within.ts"

/** How long a flash letter may take to leave. */
const FLASH_MS = 5_000

/** Does nothing when it does not fit one envelope, or the correspondent has not answered yet or is not there now. */
export async function sendFlash(
  it: Correspondent,
  letter: InLetter,
  courier: Courier,
): Promise<void> {
  const body = writeBody(letter)
  if (!fits(it, body) || isLeaving.has(it)) return
  isLeaving.add(it)
  try {
    await courier.useDirect((mailbox) => put(it, body, { mailbox, signal: courier.signal }))
  } catch (error) {
    it.options.log.debug("flash-dropped", { code: toAlliumError(error).code })
  } finally {
    isLeaving.delete(it)
  }
}

/** Correspondents for whom one is on its way; others are dropped meanwhile. */
const isLeaving = new WeakSet<Correspondent>()

async function put(
  it: Correspondent,
  body: Uint8Array,
  { mailbox, signal }: { mailbox: Putting; signal: AbortSignal },
): Promise<void> {
  const envelope = await seal(it, body)
  if (envelope === undefined) return
  const { clock, random } = it.options
  const item = { sendId: new Uint8Array(QUEUE_ID_BYTES), id: random(ENVELOPE_ID_BYTES), envelope }
  await within({ atMostMs: FLASH_MS, signal, clock }, (bound) =>
    mailbox.put(item, { signal: bound }),
  )
}

function fits({ memory }: Correspondent, flash: Uint8Array): boolean {
  const session = preferred(memory.sessions, memory.state)
  if (!session?.crypto.answered) return false
  return flash.length <= session.crypto.capacity - PAYLOAD_HEAD_BYTES - FLASH_HEAD_BYTES
}

function seal(it: Correspondent, flash: Uint8Array): Promise<Uint8Array | undefined> {
  return it.alter(async (draft) => {
    const session = preferred(draft.sessions, draft.state)
    if (session === undefined || !fits(it, flash)) return undefined
    const { epoch } = session
    const payload = writePayload({ origin: draft.state.origin, epoch, acks: [], flash })
    const sealed = it.options.crypto.seal(session.crypto, payload)
    keepSession(draft, { ...session, crypto: sealed.session })
    return sealed.envelope
  })
}
