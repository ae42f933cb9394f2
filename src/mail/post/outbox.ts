/**
 * Letters that wait for one correspondent, as a scroll: each begins where the one before ends.
 *
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import type { Change, StoreRoom } from "../../store/store.ts"
import { listJournal, type Tables, type Waiting } from "./kept.ts"
import { CONTROL_TOPIC, LETTER_LENGTH_BYTES, letterSize, writeLetter } from "./letter.ts"
import type { OutLetter } from "./post.ts"

/** Content on disk under one key: the store takes 1 MiB as one value. */
const PIECE_BYTES = 524_288
/** How many letters may wait for one correspondent: a year of talk, or two hours of a script gone wild. */
export const OUTBOX_LETTERS_MAX = 10_000
/** How many bytes may wait for one correspondent. */
export const OUTBOX_BYTES_MAX = 64 * 1024 * 1024

/** A letter that waits, with its number in the journal. */
export interface Entry extends Waiting {
  readonly number: number
  /** Bytes of the scroll. */
  readonly size: number
}

/** What is cut into envelopes. */
export interface Scrolled {
  /** Bytes that wait. */
  readonly size: number
  /** Bytes from `from`, counted from the oldest letter; at most `length`, fewer at its end. */
  read(from: number, length: number): Promise<Uint8Array>
}

const NOTHING = new Uint8Array()

/** A letter on its way to the disk. */
export interface Staged {
  readonly changes: readonly Change[]
  done(): void
  failed(): void
}

/** See the module. */
export class Outbox implements Scrolled {
  readonly #room: StoreRoom
  readonly #tables: Tables
  readonly #entries: Entry[] = []
  #byteCount = 0
  #letterCount = 0
  /** What is being written. */
  readonly #coming = { count: 0, byteCount: 0 }
  /** The letter read last, as it stands on the scroll. */
  #open: { number: number; bytes: Uint8Array } | undefined

  constructor(room: StoreRoom, tables: Tables) {
    this.#room = room
    this.#tables = tables
  }

  /** Reads what waits; once, before anything else. */
  async load(): Promise<void> {
    for (const [number, waiting] of await listJournal(this.#tables.outbox))
      this.#add(number, waiting)
  }

  /** Letters that wait, oldest first. */
  get entries(): readonly Entry[] {
    return this.#entries
  }

  /** How many letters of plugins wait. */
  get letterCount(): number {
    return this.#letterCount
  }

  /** How many letters wait or are being written. */
  get count(): number {
    return this.#entries.length + this.#coming.count
  }

  /** Bytes of the scroll that wait. */
  get size(): number {
    return this.#byteCount
  }

  /** Writes a letter to the disk, in one commit with `also`; calls need not wait for each other. */
  async send(letter: OutLetter, also: readonly Change[]): Promise<void> {
    const staged = this.stage(letter)
    try {
      await this.#room.commit([...staged.changes, ...also])
    } catch (error) {
      staged.failed()
      throw error
    }
    staged.done()
  }

  /** How to write a letter; whoever commits the changes says how it went. @throws {AlliumError} `OUTBOX_FULL`. */
  stage({ topic, name, content }: OutLetter): Staged {
    const byteCount = content.length
    this.#requireRoom(byteCount, topic)
    const waiting = { topic, name, byteCount }
    const append = this.#tables.outbox.append(waiting)
    const pieces = pieceKeys(append.sequence, byteCount).map((key, at) =>
      this.#tables.letters.put(key, content.slice(at * PIECE_BYTES, (at + 1) * PIECE_BYTES)),
    )
    this.#coming.count++
    this.#coming.byteCount += byteCount
    const failed = () => {
      this.#coming.count--
      this.#coming.byteCount -= byteCount
    }
    const done = () => {
      failed()
      this.#add(append.sequence, waiting)
    }
    return { changes: [append, ...pieces], done, failed }
  }

  /** Whether letters are being written. */
  get isComing(): boolean {
    return this.#coming.count > 0
  }

  /** The scroll as it will be when one more letter stands at its end. */
  with(letter: Pick<OutLetter, "topic" | "content">): Scrolled {
    const last = writeLetter(letter)
    const before = this.size
    return {
      size: before + last.length,
      read: async (from, length) => {
        const old = from < before ? await this.read(from, Math.min(length, before - from)) : NOTHING
        const start = Math.max(0, from - before)
        return Buffer.concat([old, last.subarray(start, Math.max(start, from + length - before))])
      },
    }
  }

  /** Bytes of the scroll from `from`, counted from the oldest letter; at most `length`, fewer at its end. */
  async read(from: number, length: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    let start = 0
    for (const entry of this.#entries) {
      const end = start + entry.size
      if (end > from && start < from + length) {
        const bytes = await this.#bytesOf(entry)
        pieces.push(bytes.subarray(Math.max(0, from - start), from + length - start))
      }
      if (end >= from + length) break
      start = end
    }
    return Buffer.concat(pieces)
  }

  /** How to take `count` letters from the disk, after the `skip` oldest. */
  removal(skip: number, count: number): Change[] {
    return this.#entries
      .slice(skip, skip + count)
      .flatMap(({ number, byteCount }) => [
        this.#tables.outbox.remove(number),
        ...pieceKeys(number, byteCount).map((key) => this.#tables.letters.remove(key)),
      ])
  }

  /** They are gone from the disk. */
  removed(count: number): void {
    for (const { size, topic } of this.#entries.splice(0, count)) {
      this.#byteCount -= size
      if (topic !== CONTROL_TOPIC) this.#letterCount--
    }
  }

  /** Commits may end in another order than letters were staged in: their numbers decide. */
  #add(number: number, waiting: Waiting): void {
    const size = letterSize(waiting.topic, waiting.byteCount)
    const later = this.#entries.findLastIndex((entry) => entry.number < number) + 1
    this.#entries.splice(later, 0, { ...waiting, number, size })
    this.#byteCount += size
    if (waiting.topic !== CONTROL_TOPIC) this.#letterCount++
  }

  async #bytesOf({ number, topic, size, byteCount }: Entry): Promise<Uint8Array> {
    if (this.#open?.number === number) return this.#open.bytes
    const pieces: Uint8Array[] = []
    for (const key of pieceKeys(number, byteCount))
      pieces.push((await this.#tables.letters.get(key)) ?? new Uint8Array())
    const bytes = writeLetter({ topic, content: new Uint8Array(Buffer.concat(pieces)) })
    if (bytes.length !== size)
      throw new AlliumError("STORE_DAMAGED", "Cannot send letter: its content is not on disk")
    if (size > LETTER_LENGTH_BYTES) this.#open = { number, bytes }
    return bytes
  }

  /** What the posts tell each other always finds room. */
  #requireRoom(byteCount: number, topic: string): void {
    const count = this.#entries.length + this.#coming.count
    const bytes = this.#byteCount + this.#coming.byteCount
    const hasRoom = count < OUTBOX_LETTERS_MAX && bytes + byteCount <= OUTBOX_BYTES_MAX
    if (hasRoom || topic === CONTROL_TOPIC) return
    throw new AlliumError(
      "OUTBOX_FULL",
      `Cannot queue letter: ${count} letters of ${bytes} bytes wait for this contact, expected room`,
    )
  }
}

/** Where the content of a letter stands: a long one in several pieces. */
function pieceKeys(number: number, byteCount: number): string[] {
  const count = Math.max(1, Math.ceil(byteCount / PIECE_BYTES))
  return Array.from({ length: count }, (_, at) => (at === 0 ? `${number}` : `${number}/${at}`))
}
