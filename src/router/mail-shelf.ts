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
/** A letter may be longer than a value of the store: its content is kept in pieces. */
const PIECE_BYTES = 524_288

/** A letter's state, as it is kept. */
export const letterStateShape: z.ZodType<LetterState> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("queued") }),
  z.object({ kind: z.literal("stored"), place: z.string() }),
  z.object({ kind: z.literal("delivered") }),
  z.object({ kind: z.literal("failed"), reason: z.string() }),
])
const itemShape = z.object({
  plugin: z.string(),
  identity: z.string(),
  peer: z.string(),
  /** Another device of ours wrote it to that correspondent. */
  own: z.boolean().optional(),
  /** Of the content; a report has none. */
  byteCount: z.number(),
  report: z.object({ name: z.string(), state: letterStateShape }).optional(),
})
/** What is kept, without its content. */
export interface ShelfItem {
  readonly plugin: string
  /** Key of the identity. */
  readonly identity: string
  readonly peer: string
  readonly own?: boolean | undefined
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
  const index = new ShelfIndex()
  for await (const [place, item] of journal.read()) index.add(place, item)
  return {
    waiting: (plugin, kind) => index.places(plugin, kind),
    async read(place) {
      const item = index.get(place)
      if (item === undefined) return undefined
      const pieces = await Promise.all(piecesOf(place, item).map((name) => contents.get(name)))
      const found = pieces.filter((piece) => piece !== undefined)
      return { item, content: new Uint8Array(Buffer.concat(found)) }
    },
    keep(what, content) {
      if (!index.hasRoom(what, content.length)) return undefined
      const item = { ...what, byteCount: content.length }
      const append = journal.append(item)
      const puts = piecesOf(append.sequence, item).map((name, at) =>
        contents.put(name, content.slice(at * PIECE_BYTES, (at + 1) * PIECE_BYTES)),
      )
      return { changes: [append, ...puts], done: () => index.add(append.sequence, item) }
    },
    async take(place, changes) {
      const item = index.get(place)
      const pieces = item === undefined ? [] : piecesOf(place, item)
      const gone = pieces.map((name) => contents.remove(name))
      await room.commit([...changes, journal.remove(place), ...gone])
      index.remove(place)
    },
  }
}

/** Names of the pieces of a content, in order. */
function piecesOf(place: number, { byteCount }: ShelfItem): string[] {
  const count = Math.max(1, Math.ceil(byteCount / PIECE_BYTES))
  return Array.from({ length: count }, (_, at) => (at === 0 ? `${place}` : `${place}/${at}`))
}

/** What is on the shelf, as it is looked for. */
class ShelfIndex {
  readonly #items = new Map<number, ShelfItem>()
  /** In order of place. */
  readonly #places = new Map<string, Set<number>>()
  readonly #sums = new Map<string, { count: number; bytes: number }>()

  get(place: number): ShelfItem | undefined {
    return this.#items.get(place)
  }

  places(plugin: string, kind: "letter" | "report"): readonly number[] {
    return [...(this.#places.get(`${plugin} ${kind}`) ?? [])]
  }

  hasRoom(item: Omit<ShelfItem, "byteCount">, byteCount: number): boolean {
    const { count, bytes } = this.#sumOf(item)
    return count < SHELF_ITEMS_MAX && bytes + byteCount <= SHELF_BYTES_MAX
  }

  add(place: number, item: ShelfItem): void {
    this.#items.set(place, item)
    const places = this.#places.get(topicOf(item)) ?? new Set()
    this.#places.set(topicOf(item), places.add(place))
    this.#count(item, 1)
  }

  remove(place: number): void {
    const item = this.#items.get(place)
    if (item === undefined) return
    this.#items.delete(place)
    this.#places.get(topicOf(item))?.delete(place)
    this.#count(item, -1)
  }

  #sumOf({ identity, peer }: Omit<ShelfItem, "byteCount">): { count: number; bytes: number } {
    return this.#sums.get(`${identity} ${peer}`) ?? { count: 0, bytes: 0 }
  }

  #count(item: ShelfItem, by: 1 | -1): void {
    const { count, bytes } = this.#sumOf(item)
    const sum = { count: count + by, bytes: bytes + by * item.byteCount }
    const name = `${item.identity} ${item.peer}`
    if (sum.count === 0) this.#sums.delete(name)
    else this.#sums.set(name, sum)
  }
}

function topicOf({ plugin, report }: ShelfItem): string {
  return `${plugin} ${report === undefined ? "letter" : "report"}`
}
