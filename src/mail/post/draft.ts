/**
 * One change of what is kept of a correspondent: on disk as a whole, and only then in memory.
 *
 * @module
 */
import type { Change } from "../../store/store.ts"
import type { EnvelopeCrypto } from "../envelope/crypto.ts"
import type {
  Flying,
  HeldPart,
  KeptPrekeys,
  Memory,
  Session,
  State,
  Tables,
  Theirs,
} from "./kept.ts"
import type { Staged } from "./outbox.ts"
import type { Reception } from "./post.ts"

/** Everything may be read and replaced here; nobody sees it before it is on disk. */
export class Draft {
  state: State
  theirs: Theirs
  sessions: readonly Session[]
  prekeys: ReadonlyMap<string, KeptPrekeys>
  flight: ReadonlyMap<number, Flying>
  parts: readonly HeldPart[]
  /** Bytes of parts that are not on disk yet. */
  readonly fresh = new Map<string, Uint8Array>()
  /** How many of the oldest letters leave the outbox with this change. */
  removedCount = 0
  readonly #before: Memory
  readonly #tables: Tables
  readonly #crypto: EnvelopeCrypto
  readonly #changes: Change[] = []
  readonly #after: (() => void)[] = []
  readonly #failed: (() => void)[] = []

  constructor(memory: Memory, options: { tables: Tables; crypto: EnvelopeCrypto }) {
    this.#before = memory
    this.#tables = options.tables
    this.#crypto = options.crypto
    this.state = { ...memory.state }
    this.theirs = memory.theirs
    this.sessions = memory.sessions
    this.prekeys = memory.prekeys
    this.flight = memory.flight
    this.parts = memory.parts
  }

  get tables(): Tables {
    return this.#tables
  }

  /** More to be written. */
  add(...changes: readonly Change[]): void {
    this.#changes.push(...changes)
  }

  /** A letter for the outbox. */
  stage(staged: Staged): void {
    this.add(...staged.changes)
    this.settled(staged)
  }

  /** Who is to be told how it went. */
  settled({ done, failed }: Pick<Reception, "done" | "failed">): void {
    this.after(done)
    if (failed !== undefined) this.#failed.push(failed)
  }

  /** It could not be written. */
  failed(): void {
    for (const failed of this.#failed) failed()
  }

  /** To be called when it is on disk. */
  after(done: (() => void) | undefined): void {
    if (done !== undefined) this.#after.push(done)
  }

  /** What memory is when it is on disk. */
  get memory(): Memory {
    const { state, theirs, sessions, prekeys, flight, parts } = this
    return { state, theirs, sessions, prekeys, flight, parts }
  }

  /** It is on disk. */
  done(): void {
    for (const done of this.#after) done()
  }

  /** All that must be written; empty when nothing changed. */
  changes(): Change[] {
    const { state, theirs } = this.#tables
    return [
      ...this.#changes,
      ...(same(this.state, this.#before.state) ? [] : [state.put("state", this.state)]),
      ...(this.theirs === this.#before.theirs ? [] : [theirs.put("theirs", this.theirs)]),
      ...this.#sessionChanges(),
      ...this.#prekeyChanges(),
      ...this.#flightChanges(),
      ...this.#partChanges(),
    ]
  }

  #sessionChanges(): Change[] {
    const before = new Set(this.#before.sessions)
    const now = new Set(this.sessions.map(({ name }) => name))
    const gone = this.#before.sessions.filter(({ name }) => !now.has(name))
    return [
      ...gone.map(({ name }) => this.#tables.sessions.remove(name)),
      ...this.sessions
        .filter((session) => !before.has(session))
        .map(({ name, crypto, epoch, peerOrigin }) => {
          const bytes = this.#crypto.exportSession(crypto)
          return this.#tables.sessions.put(name, { bytes, epoch, peerOrigin })
        }),
    ]
  }

  #prekeyChanges(): Change[] {
    const [before, now] = [this.#before.prekeys, this.prekeys]
    if (before === now) return []
    return [
      ...[...before.keys()]
        .filter((id) => !now.has(id))
        .map((id) => this.#tables.prekeys.remove(id)),
      ...[...now]
        .filter(([id, kept]) => before.get(id) !== kept)
        .map(([id, kept]) => this.#tables.prekeys.put(id, kept)),
    ]
  }

  /** What is new in flight is added by who seals it. */
  #flightChanges(): Change[] {
    return [...this.#before.flight.keys()]
      .filter((key) => !this.flight.has(key))
      .flatMap((key) => [
        this.#tables.flight.remove(String(key)),
        this.#tables.puts.remove(String(key)),
      ])
  }

  #partChanges(): Change[] {
    if (this.parts === this.#before.parts) return []
    const now = new Map(this.parts.map((part) => [part.key, part]))
    const gone = this.#before.parts.filter(({ key }) => !now.has(key))
    const fresh = [...this.fresh].flatMap(([key, bytes]) => {
      const part = now.get(key)
      if (part === undefined) return []
      const origin = new Uint8Array(Buffer.from(part.origin, "hex"))
      return [this.#tables.parts.put(key, { origin, from: part.range[0], bytes })]
    })
    return [...gone.map(({ key }) => this.#tables.parts.remove(key)), ...fresh]
  }
}

/** Values of a state are replaced, never changed. */
function same(left: State, right: State): boolean {
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]) as Set<keyof State>
  return [...keys].every((key) => left[key] === right[key])
}
