/**
 * What the user does with names: reads and writes files of them, decides conflicts, asks which names an address has.
 *
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import type { NameRecord, OwnNames } from "../names.ts"
import type { Resolver } from "../resolver.ts"
import { requireAddress, shortAddress } from "./address.ts"
import type { Conflict, Conflicts, Dispute } from "./conflicts.ts"
import { type BadLine, readNameFile, writeNameFile } from "./name-file.ts"

/** Bad lines and names that are told of one by one; the rest is counted. */
const TOLD_MAX = 100

/** What became of a file of names. */
export interface ImportReport {
  readonly dryRun: boolean
  readonly added: number
  /** Known already, with the same address. */
  readonly same: number
  /** Known with another address, or twice in the file: not changed. */
  readonly conflicts: number
  readonly bad: number
  /** The first of them. */
  readonly conflictNames: string[]
  readonly badLines: BadLine[]
}

/** Who lists names. */
export interface NameList {
  list(): AsyncIterable<NameRecord> | Iterable<NameRecord>
}

/** What the desk works with. */
export interface NameDeskParts {
  readonly petnames: OwnNames
  readonly pinned: OwnNames
  readonly conflicts: Conflicts
  readonly resolver: Pick<Resolver, "known">
  /** Everything that knows names, in order of who is believed. */
  readonly lists: readonly NameList[]
  readonly now: () => number
}

/** Opens the desk. */
export class NameDesk {
  readonly #parts: NameDeskParts

  constructor(parts: NameDeskParts) {
    this.#parts = parts
  }

  /** Names the user gave or confirmed, sorted. */
  async own(): Promise<NameRecord[]> {
    const { petnames, pinned } = this.#parts
    return sorted(await collect([petnames, pinned]))
  }

  /** Forgets a petname, or else a pinned name. @throws {AlliumError} `NAME_NOT_FOUND`. */
  async remove(name: string): Promise<void> {
    const { petnames, pinned, conflicts } = this.#parts
    const found = (await petnames.find(name)) ?? (await pinned.find(name))
    await (found?.source === "petname" ? petnames : pinned).remove(name)
    if (found !== undefined) await conflicts.forget(found.name)
  }

  /**
   * Keeps a name the user confirmed.
   * @throws {AlliumError} `ALREADY_EXISTS` when the user gave or confirmed it before; `BAD_NAME`, `BAD_DESTINATION`.
   */
  async pin(name: string, address: string): Promise<void> {
    if ((await this.#parts.petnames.find(name)) !== undefined)
      throw new AlliumError("ALREADY_EXISTS", "Cannot pin name: it is taken, remove it first")
    await this.#parts.pinned.add(name, address)
  }

  /**
   * Pins the names of a file or folder that nobody knows yet; what others say of them is kept as a conflict.
   * @throws {AlliumError} `NOT_FOUND`, `TOO_LARGE`, `LIMIT_REACHED`.
   */
  async import(path: string, { dryRun }: { dryRun: boolean }): Promise<ImportReport> {
    const { names, twice, bad } = await readNameFile(path)
    const { added, same, disputes } = await this.#compare(names)
    if (!dryRun) {
      await this.#parts.pinned.addAll(added)
      await this.#parts.conflicts.note(disputes)
    }
    const conflicting = [...new Set([...disputes.map(({ name }) => name), ...twice])]
    return {
      ...{ dryRun, added: added.size, same, conflicts: conflicting.length, bad: bad.length },
      conflictNames: conflicting.slice(0, TOLD_MAX),
      badLines: bad.slice(0, TOLD_MAX),
    }
  }

  async #compare(names: ReadonlyMap<string, string>) {
    const added = new Map<string, string>()
    const disputes: Dispute[] = []
    let same = 0
    const at = this.#parts.now()
    for (const [name, address] of names) {
      const known = await this.#parts.resolver.known(name)
      if (known === undefined) added.set(name, address)
      else if (shortAddress(known.address) === shortAddress(address)) same++
      else disputes.push(disputeOf(known, address, at))
    }
    return { added, same, disputes }
  }

  /** Writes pinned names and those of feeds, and petnames when asked, to a new file. @throws {AlliumError} `ALREADY_EXISTS`. */
  async export(
    path: string,
    choice: { petnames: boolean },
  ): Promise<{ written: number; left: number }> {
    const names = new Map<string, string>()
    for (const { name, address, source } of await collect(this.#parts.lists))
      if (isExported(source, choice) && name.endsWith(".i2p") && !names.has(name))
        names.set(name, address)
    return writeNameFile(path, names, shortAddress)
  }

  conflicts(): Promise<Conflict[]> {
    return this.#parts.conflicts.list()
  }

  /**
   * The user decides where a name leads: it is pinned, and who says otherwise as before is not told of again.
   * @throws {AlliumError} `BAD_NAME`, `BAD_DESTINATION`, `ALREADY_EXISTS` when a petname says otherwise.
   */
  async choose(name: string, address: string): Promise<NameRecord> {
    const { petnames, pinned, conflicts } = this.#parts
    const petname = await petnames.find(name)
    const isSame =
      petname && shortAddress(petname.address) === shortAddress(requireAddress(address))
    if (petname !== undefined && !isSame)
      throw new AlliumError("ALREADY_EXISTS", "Cannot choose: a petname of yours leads elsewhere")
    const chosen = petname ?? (await pinned.replace(name, address))
    await conflicts.decide(chosen.name)
    return chosen
  }

  /** Every name that leads to `address`, who is believed first. @throws {AlliumError} `BAD_DESTINATION`, `BAD_NAME`. */
  async namesOf(address: string): Promise<NameRecord[]> {
    const short = shortAddress(requireAddress(address))
    const all = await collect(this.#parts.lists)
    return all.filter((record) => shortAddress(record.address) === short)
  }
}

function disputeOf(known: NameRecord, address: string, at: number): Dispute {
  const kept = { address: known.address, from: known.feed ?? known.source, at }
  const reason = "the name is known with another address"
  return { name: known.name, kept, claim: { address, from: "import", at, reason } }
}

/** Contacts are nobody's business, petnames only when the user says so. */
function isExported(source: NameRecord["source"], { petnames }: { petnames: boolean }): boolean {
  return source === "pinned" || source === "feed" || (petnames && source === "petname")
}

async function collect(lists: readonly NameList[]): Promise<NameRecord[]> {
  const found: NameRecord[] = []
  for (const one of lists) for await (const record of one.list()) found.push(record)
  return found
}

function sorted(records: NameRecord[]): NameRecord[] {
  return records.sort((left, right) => (left.name < right.name ? -1 : 1))
}
