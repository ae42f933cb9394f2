/**
 * Answers to those who asked at a door: yes is a letter of the post, no is one envelope to somebody we forget.
 *
 * @see docs/protocol/contact.md "At a tower"
 * @module
 */
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import type { EnvelopeCrypto, MailSelf } from "../mail/envelope/crypto.ts"
import { writeLetter } from "../mail/post/letter.ts"
import { ORIGIN_BYTES, writePayload } from "../mail/post/payload.ts"
import type { AskedRecord, DoorBook, NoRecord } from "./door-book.ts"
import { CONTACTS_TOPIC } from "./introduction-letters.ts"
import type { TowerLine } from "./tower-line.ts"

/** Nobody waits longer for an answer; a tower keeps nothing longer. */
const NO_LIFE_MS = 30 * 86_400_000
/** No waits on its way for more people. */
export const NOES_MAX = 256
const LIMITS = { bytesMax: 8_192, depthMax: 2, itemsMax: 16 }

const answerShape = z.discriminatedUnion("kind", [
  z.strictObject({ v: z.literal(1), kind: z.literal("accepted"), card: z.string().max(2_048) }),
  z.strictObject({ v: z.literal(1), kind: z.literal("refused") }),
])
/** An answer, as it stands in a letter. */
export type DoorAnswer = z.output<typeof answerShape>

/** Content of the letter that says yes; `card` as in a notice. */
export function writeYes(card: string): Uint8Array {
  return packValue({ v: 1, kind: "accepted", card })
}

/** Reads a letter about contacts; `undefined` for one that is no answer. */
export function readAnswer(content: Uint8Array): DoorAnswer | undefined {
  try {
    return answerShape.safeParse(unpackValue(content, LIMITS)).data
  } catch {
    return undefined // another reader says what is wrong with it
  }
}

/** Seals a no for somebody who asked; nothing of the session is kept. @throws {AlliumError} `BAD_BUNDLE`. */
export function sealNo(
  tools: {
    readonly crypto: Pick<EnvelopeCrypto, "begin" | "seal">
    readonly self: MailSelf
    readonly clock: Clock
    readonly random: RandomBytes
  },
  key: string,
  { bundle, places }: AskedRecord,
): NoRecord {
  const { crypto, self, clock, random } = tools
  const content = packValue({ v: 1, kind: "refused" })
  const bytes = writeLetter({ topic: CONTACTS_TOPIC, content })
  const part = { base: 0, offset: 0, bytes }
  const payload = writePayload({ origin: random(ORIGIN_BYTES), epoch: 1, acks: [], part })
  const { envelope } = crypto.seal(crypto.begin(self, bundle), payload)
  const id = new Uint8Array(random(16))
  return { key, places, id, envelope: new Uint8Array(envelope), sinceMs: clock.now() }
}

/** Brings a no to a tower of theirs: the first that takes it. */
export async function carryNo(
  { book, line, clock }: { book: DoorBook; line: Pick<TowerLine, "reach">; clock: Clock },
  key: string,
  call: { signal: AbortSignal },
): Promise<"done"> {
  const no = book.noes.rows.get(key)
  if (no === undefined) return "done"
  const isOver = clock.now() - no.sinceMs > NO_LIFE_MS
  if (isOver || (await isLeft(no, line, call))) {
    call.signal.throwIfAborted()
    await book.commit(book.noes.remove(key))
    return "done"
  }
  throw new AlliumError("PEER_UNREACHABLE", "Cannot answer: none of their towers takes it now")
}

async function isLeft(
  { places, id, envelope }: NoRecord,
  line: Pick<TowerLine, "reach">,
  call: { signal: AbortSignal },
): Promise<boolean> {
  let isEveryGone = true
  for (const place of places) {
    if (place.kind !== "tower") continue
    try {
      const { mailbox } = await line.reach(place, call)
      const { kind } = await mailbox.put({ sendId: place.sendId, id, envelope }, call)
      if (kind === "ok" || kind === "duplicate") return true
      isEveryGone &&= kind === "gone"
    } catch {
      call.signal.throwIfAborted()
      isEveryGone = false
    }
  }
  return isEveryGone
}
