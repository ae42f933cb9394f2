/**
 * What a feed says against names that hold: those of feeds that were first, and those the user pinned.
 *
 * @module
 */
import type { NameLayer } from "../resolver.ts"
import { shortAddress } from "./address.ts"
import type { Dispute } from "./conflicts.ts"
import type { Judge, Ruling } from "./feed-rules.ts"

/** What was read in a feed. */
export interface Told {
  /** Lines that are not believed. */
  readonly claims: readonly Extract<Ruling, { kind: "conflict" }>[]
  /** Every name that has a line. */
  readonly names: ReadonlySet<string>
}

/** @param judge - Knows what feeds told, with what was read just now. */
export async function findDisputes(
  { claims, names }: Told,
  judge: Judge,
  pinned: NameLayer,
): Promise<Dispute[]> {
  const disputes: Dispute[] = []
  for (const claim of claims) disputes.push(...(await againstKept(claim, judge, pinned)))
  for (const name of names) disputes.push(...(await againstPinned(name, judge, pinned)))
  return disputes
}

/** A line that is not believed agrees perhaps with what the user pinned. */
async function againstKept(
  { name, address, reason }: Told["claims"][number],
  judge: Judge,
  pinned: NameLayer,
): Promise<Dispute[]> {
  const { feed, nowMs } = judge
  const own = await keptByUser(name, judge, pinned)
  const known = await judge.find(name)
  const kept = own ?? (known && { address: known.address, from: known.feed, at: known.firstSeen })
  if (kept === undefined || isSame(kept.address, address)) return []
  return [{ name, kept, claim: { address, from: feed, at: nowMs, reason } }]
}

/** What feeds are believed counts for nothing where the user has pinned the name. */
async function againstPinned(name: string, judge: Judge, pinned: NameLayer): Promise<Dispute[]> {
  const kept = await keptByUser(name, judge, pinned)
  const told = kept && (await judge.find(name))
  if (kept === undefined || told === undefined || told.removed) return []
  if (isSame(kept.address, told.address)) return []
  const { address, feed: from } = told
  const reason = "you have pinned another address"
  return [{ name, kept, claim: { address, from, at: judge.nowMs, reason } }]
}

async function keptByUser(name: string, { nowMs }: Judge, pinned: NameLayer) {
  const own = await pinned.find(name)
  return own && { address: own.address, from: own.source, at: nowMs }
}

function isSame(left: string, right: string): boolean {
  return left === right || shortAddress(left) === shortAddress(right)
}
