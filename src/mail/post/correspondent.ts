/**
 * One correspondent: all that is known, and the only way to change it.
 *
 * Deeds take turns, each in one commit: in memory nothing changes before it is on disk.
 *
 * @module
 */
import { isAlliumError } from "../../base/errors.ts"
import { Turns } from "../../base/turns.ts"
import type { Change, Journal, Table } from "../../store/store.ts"
import type { CryptoSession, MailSelf } from "../envelope/crypto.ts"
import { Draft } from "./draft.ts"
import { keyOfPeer } from "./introduction.ts"
import {
  listTable,
  type Memory,
  openTables,
  type Put,
  readFlying,
  readPart,
  type Session,
  type Tables,
} from "./kept.ts"
import type { PeerKeys, PostOptions } from "./options.ts"
import { Outbox, type Staged } from "./outbox.ts"
import { owes } from "./outgoing.ts"
import { ORIGIN_BYTES } from "./payload.ts"
import type { OutLetter } from "./post.ts"
import { equal } from "./sessions.ts"

/** `link`: nothing can be done before a link to them stands, for they have no other place. */
export type Need = true | "link"

/** Who may be unknown, and who has something waiting: read at start. */
export interface Index {
  readonly known: Table<boolean>
  readonly waiting: Table<Need>
}

/** See the module. */
export class Correspondent {
  readonly peer: string
  readonly options: PostOptions
  readonly tables: Tables
  readonly outbox: Outbox
  readonly #index: Index
  readonly #turns = new Turns()
  #memory: Memory
  #marked = false
  #key = 0
  /** Where envelopes in flight lay at start, by key. */
  puts: ReadonlyMap<number, Put> = new Map()
  /** When what is owed may be told, by the monotonic clock; milliseconds. */
  dueMs = 0

  constructor(peer: string, options: PostOptions, index: Index) {
    this.peer = peer
    keyOfPeer(peer)
    this.options = options
    this.#index = index
    const room = options.store.room("with").room(peer)
    this.tables = openTables(room)
    this.outbox = new Outbox(room, this.tables)
    this.#memory = emptyMemory(options.random(ORIGIN_BYTES))
  }

  /** What is on disk. */
  get memory(): Memory {
    return this.#memory
  }

  /** The keys that count now. */
  get keys(): PeerKeys {
    const { keysFor, self } = this.options
    return keysFor?.(this.peer) ?? { own: self, older: [], their: keyOfPeer(this.peer) }
  }

  /** The keys of ours that these prekeys were made with. */
  madeWith(bundle: Uint8Array): MailSelf {
    const { own, older } = this.keys
    if (older.length === 0) return own
    const owner = this.options.crypto.ownerOf(bundle)
    return older.find(({ publicKey }) => equal(publicKey, owner)) ?? own
  }

  /** Gives the next number for an envelope in flight. */
  readonly nextKey = (): number => ++this.#key

  /** Whether anything is to be sent, acknowledged, told or handed over. */
  get isBusy(): boolean {
    return isBusy(this.#memory, this.outbox.count)
  }

  /** Reads what is on disk; once, before anything else. */
  async load(): Promise<void> {
    const { tables } = this
    const { state } = this.#memory
    const flight = await listTable(tables.flight)
    this.#memory = {
      state: (await tables.state.get("state")) ?? state,
      theirs: (await tables.theirs.get("theirs")) ?? { places: [] },
      sessions: await this.#readSessions(),
      prekeys: new Map(await listTable(tables.prekeys)),
      flight: new Map(flight.map(readFlying).sort(([left], [right]) => left - right)),
      parts: (await listTable(tables.parts)).map(readPart),
    }
    this.#key = Math.max(0, ...this.#memory.flight.keys())
    const puts = await listTable(tables.puts)
    this.puts = new Map(puts.map(([key, put]) => [Number(key), put]))
    await this.outbox.load()
    this.#marked = this.isBusy
  }

  /** One that cannot be read is left out: another is begun. */
  async #readSessions(): Promise<Session[]> {
    const sessions: Session[] = []
    for (const [name, { bytes, epoch, peerOrigin }] of await listTable(this.tables.sessions)) {
      const crypto = this.#importSession(bytes)
      if (crypto !== undefined) sessions.push({ name, crypto, epoch, peerOrigin })
    }
    return sessions
  }

  #importSession(bytes: Uint8Array): CryptoSession | undefined {
    try {
      return this.options.crypto.importSession(bytes)
    } catch (error) {
      if (!isAlliumError(error, "BAD_SESSION")) throw error
      this.options.log.error("bad-session")
      return undefined
    }
  }

  /** Several changes that must not meet others; inside, only {@linkcode change} may be used. */
  turn<T>(deed: () => Promise<T>): Promise<T> {
    return this.#turns.take(deed)
  }

  /** Whether a change runs or waits for its turn. */
  get isChanging(): boolean {
    return !this.#turns.isFree
  }

  /** One change, in its turn. */
  alter<T>(deed: (draft: Draft) => Promise<T>): Promise<T> {
    return this.turn(() => this.change(deed))
  }

  /** One change; the caller has the turn. Nothing changes when `deed` or the commit fails. */
  async change<T>(deed: (draft: Draft) => Promise<T>): Promise<T> {
    const draft = new Draft(this.#memory, { tables: this.tables, crypto: this.options.crypto })
    const result = await this.#write(draft, deed)
    this.#memory = draft.memory
    this.outbox.removed(draft.removedCount)
    draft.done()
    return result
  }

  async #write<T>(draft: Draft, deed: (draft: Draft) => Promise<T>): Promise<T> {
    try {
      const result = await deed(draft)
      const changes = draft.changes()
      if (changes.length > 0) await this.options.store.commit([...changes, ...this.#mark(draft)])
      return result
    } catch (error) {
      draft.failed()
      throw error
    }
  }

  /** Takes everything from the disk; the caller has the turn, and nothing comes after. */
  async erase(): Promise<void> {
    const { state, theirs, outbox, taken, ...tables } = this.tables
    const changes = [state.remove("state"), theirs.remove("theirs")]
    for (const table of Object.values(tables) as Table<unknown>[])
      for await (const [key] of table.entries()) changes.push(table.remove(key))
    for (const journal of [outbox, taken] as Journal<unknown>[])
      for await (const [number] of journal.read()) changes.push(journal.remove(number))
    const { known, waiting } = this.#index
    changes.push(known.remove(this.peer), waiting.remove(this.peer))
    await this.options.store.commit(changes)
  }

  /** Writes a letter into the outbox; needs no turn. */
  send(letter: OutLetter, also: readonly Change[]): Promise<void> {
    const mark = this.#index.waiting.put(this.peer, needOf(this.#memory))
    return this.outbox.send(letter, [mark, ...also])
  }

  /** How to send a letter in somebody else's commit; `undefined` when there is no room. */
  stage(letter: OutLetter): Staged | undefined {
    try {
      const { changes, done, failed } = this.outbox.stage(letter)
      const mark = this.#index.waiting.put(this.peer, needOf(this.#memory))
      return { changes: [mark, ...changes], done, failed }
    } catch (error) {
      if (isAlliumError(error, "OUTBOX_FULL")) return undefined
      throw error
    }
  }

  /** The index says who has something waiting, so that a start need not look at all. */
  #mark(draft: Draft): Change[] {
    const { waiting, known } = this.#index
    const knows = draft.theirs.bundle !== undefined && this.#memory.theirs.bundle === undefined
    const busy = isBusy(draft, this.outbox.count - draft.removedCount)
    if (busy !== this.#marked) draft.after(() => (this.#marked = busy))
    return [
      ...(knows ? [known.put(this.peer, true)] : []),
      ...(busy ? [waiting.put(this.peer, needOf(draft))] : []),
      ...(!busy && this.#marked ? [waiting.remove(this.peer)] : []),
    ]
  }
}

function needOf({ theirs, parts }: Pick<Memory, "theirs" | "parts">): Need {
  const hasTower = theirs.places.some(({ kind }) => kind === "tower")
  return hasTower || parts.length > 0 ? true : "link"
}

function isBusy(memory: Pick<Memory, "state" | "flight" | "parts">, letterCount: number): boolean {
  return letterCount > 0 || memory.flight.size > 0 || owes(memory) || memory.parts.length > 0
}

function emptyMemory(origin: Uint8Array): Memory {
  const counts = { epoch: 0, base: 0, cut: 0, top: 0, stored: 0 }
  const state = {
    ...{ origin, origins: [], ...counts, held: [], incoming: [], answer: false },
    ...{ begunAt: [], seenCount: 0, recent: new Uint8Array() },
  }
  return {
    ...{ state, theirs: { places: [] }, sessions: [], prekeys: new Map() },
    ...{ flight: new Map(), parts: [] },
  }
}
