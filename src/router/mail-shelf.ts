/**
 * Letters and reports for plugins that do not run now: kept in order until they do.
 *
 * @module
 */
import { z } from "zod"
import type { LetterState, Reception } from "../mail/post/post.ts"
import type { Change, StoreRoom } from "../store/store.ts"

/** Of one correspondent; what comes beyond stays with its sender. */
export const SHELF_ITEMS_MAX = 256
/** The same, in bytes. */
export const SHELF_BYTES_MAX = 8 * 1_048_576

const stateShape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("queued") }),
  z.object({ kind: z.literal("stored"), place: z.string() }),
  z.object({ kind: z.literal("delivered") }),
  z.object({ kind: z.literal("failed"), reason: z.string() }),
])
const itemShape = z.object({
  plugin: z.string(),
  identity: z.string(),
  peer: z.string(),
  /** Of the content; a report has none. */
  byteCount: z.number(),
  report: z.object({ name: z.string(), state: stateShape }).optional(),
})
/** What is kept, without its content. */
export interface ShelfItem {
  readonly plugin: string
  /** Key of the identity. */
  readonly identity: string
  readonly peer: string
  readonly byteCount: number
  readonly report?: { readonly name: string; readonly state: LetterState } | undefined
}

/** See the module. */
export interface MailShelf {
  /** Places of what waits for a plugin, letters or reports, oldest first. */
  waiting(plugin: string, kind: "letter" | "report"): readonly number[]
  read(place: number): Promise<{ item: ShelfItem; content: Uint8Array } | undefined>
  /** To be committed by the caller; `undefined` when there is no room for this correspondent. */
  keep(item: Omit<ShelfItem, "byteCount">, content: Uint8Array): Reception | undefined
  /** Takes one out, in one commit with `changes`. */
  take(place: number, changes: readonly Change[]): Promise<void>
}

/** Reads what waits; contents stay on disk. */
export async function openMailShelf(room: StoreRoom): Promise<MailShelf> {
  const journal = room.journal("shelf", itemShape)
  const contents = room.table("shelf-contents", z.instanceof(Uint8Array))
  const items = new Map<number, ShelfItem>()
  for await (const [place, item] of journal.read()) items.set(place, item)
  const isReport = ({ report }: ShelfItem) => report !== undefined
  const hasRoom = ({ identity, peer }: Omit<ShelfItem, "byteCount">, byteCount: number) => {
    const theirs = [...items.values()].filter(
      (one) => one.peer === peer && one.identity === identity,
    )
    const bytes = theirs.reduce((sum, one) => sum + one.byteCount, 0)
    return theirs.length < SHELF_ITEMS_MAX && bytes + byteCount <= SHELF_BYTES_MAX
  }
  return {
    waiting: (plugin, kind) =>
      [...items]
        .filter(([, item]) => item.plugin === plugin && isReport(item) === (kind === "report"))
        .map(([place]) => place),
    async read(place) {
      const item = items.get(place)
      const content = await contents.get(String(place))
      return item && { item, content: content ?? new Uint8Array() }
    },
    keep(what, content) {
      if (!hasRoom(what, content.length)) return undefined
      const item = { ...what, byteCount: content.length }
      const append = journal.append(item)
      const put = contents.put(String(append.sequence), new Uint8Array(content))
      return { changes: [append, put], done: () => void items.set(append.sequence, item) }
    },
    async take(place, changes) {
      const gone = [journal.remove(place), contents.remove(String(place))]
      await room.commit([...changes, ...gone])
      items.delete(place)
    },
  }
}
