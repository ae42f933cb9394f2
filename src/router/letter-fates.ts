/**
 * What became of letters that went to several devices of a contact: one fact of all of theirs.
 *
 * @module
 */
import { z } from "zod"
import type { LetterState, Reception } from "../mail/post/post.ts"
import type { Change, StoreRoom } from "../store/store.ts"
import { keyOf } from "./mail-devices.ts"

/** A letter, as its sender names it. */
export interface LetterName {
  readonly topic: string
  readonly name: string
}

/** See the module. */
export interface LetterFates {
  /** To be committed together with the letters; `failed` when that could not be done. */
  begin(
    peers: readonly string[],
    letter: LetterName,
  ): { readonly changes: readonly Change[]; failed(): void }
  /**
   * What one device says.
   * @returns Whether it is news of the letter, and what to commit with it. `delivered` when any device has it; `failed` when
   * the last one failed. After a restart `stored` or `delivered` may be said once more.
   */
  hear(peer: string, letter: LetterName, state: LetterState): Heard
}

/** See {@linkcode LetterFates.hear}. */
export type Heard = { readonly isNews: boolean } & Reception

interface Fate {
  /** Devices that may still say something. */
  readonly left: Set<string>
  told: "queued" | "stored" | "delivered"
}

/** Reads which letters are under way to several devices. */
export async function openLetterFates(room: StoreRoom): Promise<LetterFates> {
  const table = room.table("fates", z.strictObject({ peer: z.string(), letter: z.string() }))
  const fates = new Map<string, Fate>()
  const add = (peer: string, letter: string) => {
    const fate: Fate = fates.get(letter) ?? { left: new Set(), told: "queued" }
    fate.left.add(peer)
    fates.set(letter, fate)
  }
  for await (const [, { peer, letter }] of table.entries()) add(peer, letter)
  return {
    begin(peers, letter) {
      const id = idOf(peers[0] ?? "", letter)
      for (const peer of peers) add(peer, id)
      return {
        changes: peers.map((peer) => table.put(`${peer} ${id}`, { peer, letter: id })),
        failed: () => void fates.delete(id),
      }
    },
    hear(peer, letter, state) {
      const id = idOf(peer, letter)
      const fate = fates.get(id)
      if (fate === undefined) return { isNews: true, changes: [] }
      if (state.kind === "stored" || state.kind === "queued")
        return { ...tell(fate, state.kind), changes: [] }
      const isLast = fate.left.size === (fate.left.has(peer) ? 1 : 0)
      const isNews =
        state.kind === "delivered" ? fate.told !== "delivered" : isLast && fate.told !== "delivered"
      const done = () => {
        fate.left.delete(peer)
        if (state.kind === "delivered") fate.told = "delivered"
        if (fate.left.size === 0) fates.delete(id)
      }
      return { isNews, changes: [table.remove(`${peer} ${id}`)], done }
    },
  }
}

function tell(fate: Fate, kind: "queued" | "stored"): { isNews: boolean; done: () => void } {
  const isNews = kind === "stored" && fate.told === "queued"
  const done = () => {
    if (isNews && fate.told === "queued") fate.told = "stored"
  }
  return { isNews, done }
}

function idOf(peer: string, { topic, name }: LetterName): string {
  return `${keyOf(peer)} ${topic} ${name}`
}
