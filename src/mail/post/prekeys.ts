/**
 * Introductions, ours and theirs: prekeys that were handed out, what is known of a correspondent.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError } from "../../base/errors.ts"
import { packValue } from "../../base/pack.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Draft } from "./draft.ts"
import { introductionShape } from "./introduction.ts"
import { type KeptPrekeys, toHex } from "./kept.ts"
import type { Introduction } from "./post.ts"
import { equal } from "./sessions.ts"

/** Prekeys of this age are replaced by others. */
const RENEW_MS = 30 * 24 * 3_600_000
/** Replaced prekeys still open what comes for so long: as long as a tower keeps an envelope. */
const RETIRED_MS = 30 * 24 * 3_600_000

/** What this correspondent must know of us; makes prekeys when there are none, or they are old, or of an older key. */
export async function introduceTo(it: Correspondent, draft: Draft): Promise<Introduction> {
  const places = await it.options.ownPlaces(it.peer)
  const nowMs = it.options.clock.now()
  await forgetOld(draft, nowMs)
  const current = [...draft.prekeys.values()].find(({ retiredAt }) => retiredAt === undefined)
  const isOurs = current && equal(it.madeWith(current.bundle).publicKey, it.keys.own.publicKey)
  if (current !== undefined && isOurs && nowMs - current.madeAt < RENEW_MS)
    return { bundle: current.bundle, places }
  return { bundle: renew(it, draft, nowMs), places }
}

function renew(it: Correspondent, draft: Draft, nowMs: number): Uint8Array {
  const made = it.options.crypto.makePrekeys(it.keys.own)
  const kept: KeptPrekeys = { ...made, madeAt: nowMs }
  const retired = [...draft.prekeys].map(([id, old]): [string, KeptPrekeys] => [
    id,
    { ...old, retiredAt: old.retiredAt ?? nowMs },
  ])
  const id = toHex(createHash("sha256").update(made.bundle).digest().subarray(0, 8))
  draft.prekeys = new Map([[id, kept], ...retired])
  return made.bundle
}

/** With the prekeys go the names of sessions that were begun with them: nobody can begin those again. */
async function forgetOld(draft: Draft, nowMs: number): Promise<void> {
  const old = [...draft.prekeys].filter(
    ([, { retiredAt }]) => retiredAt !== undefined && nowMs - retiredAt >= RETIRED_MS,
  )
  if (old.length === 0) return
  const ids = new Set(old.map(([id]) => id))
  draft.prekeys = new Map([...draft.prekeys].filter(([id]) => !ids.has(id)))
  for await (const [name, id] of draft.tables.seen.entries())
    if (ids.has(id)) {
      draft.add(draft.tables.seen.remove(name))
      draft.state.seenCount--
    }
}

/** Names an introduction, so that it is known whether it was told already. */
export function hashIntroduction({ bundle, places }: Introduction): Uint8Array {
  const hash = createHash("sha256").update(packValue({ bundle, places }))
  return new Uint8Array(hash.digest())
}

/** Learns of a correspondent. @throws {AlliumError} `BAD_BUNDLE`, also when it is another's. */
export function learn(it: Correspondent, draft: Draft, introduction: Introduction): void {
  const { data } = introductionShape.safeParse(introduction)
  if (data === undefined)
    throw new AlliumError(
      "BAD_BUNDLE",
      "Cannot read introduction: its shape is not that of letters",
    )
  if (!equal(it.options.crypto.ownerOf(data.bundle), it.keys.their))
    throw new AlliumError("BAD_BUNDLE", "Cannot read introduction: the bundle is another's")
  draft.theirs = data
}
