/**
 * Letters that are worth nothing later: put directly now, or not at all.
 *
 * @module
 */
import { ENVELOPE_ID_BYTES } from "../mailbox/mailbox.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Courier } from "./courier.ts"
import { writeBody } from "./letter.ts"
import { FLASH_HEAD_BYTES, PAYLOAD_HEAD_BYTES, writePayload } from "./payload.ts"
import type { InLetter } from "./post.ts"
import { keepSession, preferred } from "./sessions.ts"

/** How long a flash letter may take to leave. */
const FLASH_MS = 5_000

/** Does nothing when it does not fit one envelope, or the correspondent has not answered yet or is not there now. */
export async function sendFlash(
  it: Correspondent,
  letter: InLetter,
  { courier, end }: { courier: Courier; end: AbortController },
): Promise<void> {
  const mailbox = courier.direct
  if (mailbox === undefined) return
  const envelope = await seal(it, writeBody(letter))
  if (envelope === undefined) return
  const id = it.options.random(ENVELOPE_ID_BYTES)
  const signal = AbortSignal.any([end.signal, AbortSignal.timeout(FLASH_MS)])
  const put = mailbox.put({ sendId: new Uint8Array(32), id, envelope }, { signal })
  await put.catch(() => {})
}

function seal(it: Correspondent, flash: Uint8Array): Promise<Uint8Array | undefined> {
  return it.alter(async (draft) => {
    const session = preferred(draft.sessions, draft.state)
    if (!session?.crypto.answered) return undefined
    if (flash.length > session.crypto.capacity - PAYLOAD_HEAD_BYTES - FLASH_HEAD_BYTES)
      return undefined
    const { epoch } = session
    const payload = writePayload({ origin: draft.state.origin, epoch, acks: [], flash })
    const sealed = it.options.crypto.seal(session.crypto, payload)
    keepSession(draft, { ...session, crypto: sealed.session })
    return sealed.envelope
  })
}
