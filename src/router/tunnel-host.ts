/**
 * Tunnels: kinds are code, instances are the user's. Each instance has a session of its own, and what is
 * done to one leaves the others alone.
 *
 * @module
 */
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { Turns } from "../base/turns.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { editOptions, type TunnelEdit } from "./tunnel-edit.ts"
import { type AddImported, type ImportLine, importTunnels } from "./tunnel-import.ts"
import {
  type Instance,
  type InstanceTools,
  openInstance,
  readOptions,
  requireKind,
  type TunnelRecord,
  tunnelRecordShape,
} from "./tunnel-instance.ts"
import { type FirstByteTimes, readMeter } from "./tunnel-metrics.ts"
import { type Emit, tellNumbers, tellState } from "./tunnel-news.ts"

/** More tunnels than this are refused: each keeps several I2P tunnels of the router busy. */
const TUNNELS_MAX = 32

/** Names of tunnels: they become folder names too. */
export const tunnelNameShape = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "expected up to 32 of a-z, 0-9 and dashes")

/** What the user sees of a tunnel. */
export interface TunnelReport {
  readonly name: string
  readonly kind: string
  readonly state: "open" | "stopped" | "failed"
  readonly reason?: string
  readonly listens?: string
  readonly address?: string
  readonly options: Readonly<Record<string, unknown>>
  /** Sessions that stand. */
  readonly sessions: number
  /** Totals since it was opened, by name; failures as `failed.CODE`. */
  readonly counters: Readonly<Record<string, number>>
  readonly firstByte: FirstByteTimes
}

/** The tunnels of a router. Deeds on one tunnel run one after another; nothing waits for another tunnel's. */
export interface TunnelHost extends AsyncDisposable {
  /** @throws {AlliumError} `ALREADY_EXISTS`, `LIMIT_REACHED`, or what opening it failed with. */
  add(
    kind: string,
    name: string | undefined,
    options: Record<string, unknown>,
  ): Promise<TunnelReport>
  /**
   * Gives a tunnel other options and opens it anew, with its own keys. When that fails nothing is kept,
   * and the tunnel is opened again as it was.
   * @throws {AlliumError} `NO_TUNNEL`, `BAD_INPUT`, or what opening it failed with.
   */
  edit(name: string, edit: TunnelEdit): Promise<TunnelReport>
  /** Ends a tunnel until {@linkcode TunnelHost.start}; it stays so over restarts. @throws {AlliumError} `NO_TUNNEL`. */
  stop(name: string): Promise<TunnelReport>
  /** Opens a tunnel that was stopped or failed; one that is open stays as it is. @throws {AlliumError} `NO_TUNNEL`. */
  start(name: string): Promise<TunnelReport>
  /** Ends a tunnel and opens it anew. @throws {AlliumError} `NO_TUNNEL`, or what opening it failed with. */
  restart(name: string): Promise<TunnelReport>
  /**
   * Tunnels of i2pd or Java I2P, with their keys; without `apply` nothing is changed.
   * @throws {AlliumError} as {@linkcode importTunnels} does.
   */
  import(
    path: string,
    call: { apply: boolean; keysFolder?: string | undefined },
  ): Promise<readonly ImportLine[]>
  /** Ends a tunnel and forgets it and its keys. @throws {AlliumError} `NO_TUNNEL`. */
  remove(name: string): Promise<void>
  list(): readonly TunnelReport[]
  /** @throws {AlliumError} `NO_TUNNEL`. */
  find(name: string): TunnelReport
}

/** What tunnels stand on. */
export interface TunnelHostOptions extends InstanceTools {
  readonly store: StoreRoom
  /** `tunnel.state` and `tunnel.numbers`. */
  readonly emit: Emit
}

/** Opens every tunnel of the store again; one that fails is reported and the rest run. */
export async function openTunnelHost(options: TunnelHostOptions): Promise<TunnelHost> {
  const host = new Host(options)
  await host.openAll()
  return host
}

class Host implements TunnelHost {
  readonly #options: TunnelHostOptions
  readonly #tools: InstanceTools
  readonly #table: Table<TunnelRecord>
  readonly #instances = new Map<string, Instance>()
  readonly #turns = new Map<string, Turns>()
  /** Names of tunnels that are being added. */
  readonly #coming = new Set<string>()
  readonly #over = new AbortController()

  constructor(options: TunnelHostOptions) {
    this.#options = options
    this.#tools = options
    this.#table = options.store.table("tunnels", tunnelRecordShape)
  }

  async openAll(): Promise<void> {
    for await (const [name, record] of this.#table.entries()) await this.#open(name, record)
    const { clock, emit } = this.#options
    void tellNumbers(() => this.list(), emit, { clock, signal: this.#over.signal })
  }

  async add(
    kind: string,
    wanted: string | undefined,
    options: Record<string, unknown>,
  ): Promise<TunnelReport> {
    return this.#addAs({ kind, name: wanted, options }, undefined)
  }

  /** Keys that were adopted go again when the tunnel cannot be opened. */
  async #addAs(
    wanted: Omit<TunnelRecord, "stopped"> & { name: string | undefined; stopped?: boolean },
    keys: Uint8Array | undefined,
  ): Promise<TunnelReport> {
    const { name: _, ...given } = wanted
    const name = this.#reserve(wanted.kind, wanted.name)
    const owner = { kind: "tunnel", name } as const
    try {
      const options = readOptions(requireKind(this.#options.kinds, given.kind), given.options)
      const record = { ...given, options }
      if (keys !== undefined) await this.#options.sessions.adopt(owner, keys)
      const instance = await openInstance(name, record, this.#tools)
      if (instance.opened instanceof AlliumError) throw instance.opened
      return await this.#keep(name, instance)
    } catch (error) {
      if (keys !== undefined) await this.#options.sessions.forget(owner)
      throw error
    } finally {
      this.#coming.delete(name)
    }
  }

  edit(name: string, edit: TunnelEdit): Promise<TunnelReport> {
    return this.#inTurn(name, async ({ record }) => {
      const kind = requireKind(this.#options.kinds, record.kind)
      const options = readOptions(kind, editOptions(kind, record.options, edit))
      return this.#replace(name, { ...record, options })
    })
  }

  stop(name: string): Promise<TunnelReport> {
    return this.#inTurn(name, ({ record }) => this.#replace(name, { ...record, stopped: true }))
  }

  start(name: string): Promise<TunnelReport> {
    return this.#inTurn(name, async (instance) => {
      const { opened, record } = instance
      if (opened !== "stopped" && !(opened instanceof AlliumError)) return report(name, instance)
      return this.#replace(name, { ...record, stopped: false })
    })
  }

  restart(name: string): Promise<TunnelReport> {
    return this.#inTurn(name, ({ record }) => this.#replace(name, { ...record, stopped: false }))
  }

  import(
    path: string,
    { apply, keysFolder }: { apply: boolean; keysFolder?: string | undefined },
  ): Promise<readonly ImportLine[]> {
    const names = [...this.#instances.keys(), ...this.#coming]
    const { kinds, sessions } = this.#options
    const { holder } = sessions
    const add: AddImported = async ({ kind, name, options, stopped }, keys) =>
      this.#addAs({ kind, name, options, stopped }, keys)
    return importTunnels(path, { kinds, names, holder, keysFolder, add: apply ? add : undefined })
  }

  remove(name: string): Promise<void> {
    return this.#inTurn(name, async (instance) => {
      this.#instances.delete(name)
      this.#coming.add(name) // its folder and keys are still being taken away
      try {
        await this.#options.store.commit([this.#table.remove(name)])
        await instance.scope.close()
        await this.#options.sessions.forget({ kind: "tunnel", name })
        await rm(join(this.#options.folder, name), { recursive: true, force: true })
      } finally {
        this.#coming.delete(name)
        this.#turns.delete(name)
      }
    })
  }

  list(): readonly TunnelReport[] {
    return [...this.#instances].map(([name, instance]) => report(name, instance))
  }

  find(name: string): TunnelReport {
    return report(name, this.#require(name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await Promise.all([...this.#instances.values()].map(({ scope }) => scope.close()))
  }

  /** Ends the instance and opens what the record says; what cannot be opened becomes again what it was. */
  async #replace(name: string, record: TunnelRecord): Promise<TunnelReport> {
    const before = this.#require(name)
    await before.scope.close()
    const instance = await openInstance(name, record, this.#tools)
    if (instance.opened instanceof AlliumError) {
      await this.#open(name, before.record)
      throw instance.opened
    }
    return this.#keep(name, instance)
  }

  /** Into the store, then into the book; an instance that cannot be kept ends. */
  async #keep(name: string, instance: Instance): Promise<TunnelReport> {
    try {
      if (this.#over.signal.aborted)
        throw new AlliumError("ABORTED", "Cannot finish: the router is stopping")
      this.#instances.set(name, instance)
      await this.#options.store.commit([this.#table.put(name, instance.record)])
      tellState(this.#options.emit, report(name, instance))
      return report(name, instance)
    } catch (error) {
      await instance.scope.close()
      throw error
    }
  }

  async #open(name: string, record: TunnelRecord): Promise<void> {
    const instance = await openInstance(name, record, this.#tools)
    if (instance.opened instanceof AlliumError)
      this.#options.log.error("tunnel.failed", { kind: record.kind, code: instance.opened.code })
    this.#instances.set(name, instance)
    if (this.#over.signal.aborted) await instance.scope.close()
  }

  #inTurn<T>(name: string, deed: (instance: Instance) => Promise<T>): Promise<T> {
    this.#require(name)
    const turns = this.#turns.get(name) ?? new Turns()
    this.#turns.set(name, turns)
    return turns.take(() => deed(this.#require(name)))
  }

  #require(name: string): Instance {
    const instance = this.#instances.get(name)
    if (instance === undefined)
      throw new AlliumError("NO_TUNNEL", "Cannot find tunnel: none has that name")
    return instance
  }

  #reserve(kind: string, wanted: string | undefined): string {
    if (this.#instances.size + this.#coming.size >= TUNNELS_MAX) throw tooMany()
    const isTaken = (name: string) => this.#instances.has(name) || this.#coming.has(name)
    const name = wanted ?? freeName(kind, isTaken)
    if (isTaken(name))
      throw new AlliumError("ALREADY_EXISTS", "Cannot add tunnel: one has that name")
    this.#coming.add(name)
    return name
  }
}

function tooMany(): AlliumError {
  const message = `Cannot add tunnel: there are ${TUNNELS_MAX} already`
  return new AlliumError("LIMIT_REACHED", message)
}

function freeName(kind: string, isTaken: (name: string) => boolean): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? kind : `${kind}-${number}`
    if (!isTaken(name)) return name
  }
}

function report(name: string, { record, opened, sessions }: Instance): TunnelReport {
  const { kind, options } = record
  const base = { name, kind, options, sessions: 0, ...readMeter({}) }
  if (opened === "stopped") return { ...base, state: "stopped" }
  if (opened instanceof AlliumError)
    return { ...base, state: "failed", reason: `${opened.message} (${opened.code})` }
  const { listens, address } = opened
  return {
    ...base,
    state: "open",
    ...(listens !== undefined && { listens }),
    ...(address !== undefined && { address }),
    sessions: sessions?.count ?? 0,
    ...readMeter(opened.counters()),
  }
}
