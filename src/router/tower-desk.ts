/**
 * The towers of one identity: which it uses, which it leaves, and the places its contacts are told.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Turns } from "../base/turns.ts"
import type { MailCall } from "../mail/mailbox/mailbox.ts"
import type { Place } from "../mail/post/post.ts"
import type { StoreRoom } from "../store/store.ts"
import {
  openTowerBook,
  type QueueRecord,
  TOWERS_MAX,
  type TowerBook,
  type TowerRecord,
  type TowersKept,
} from "./tower-book.ts"
import { type TowerHealth, TowerKeeper, type TowerKeeperOptions } from "./tower-keeper.ts"
import type { TowerLine } from "./tower-line.ts"
import { openTokenPurse, type TokenPurse } from "./tower-tokens.ts"
import { parseTowerUri, type TowerAddress, type TowerInvitation } from "./tower-uri.ts"

/** Towers that are left and not empty yet, besides those in use. */
export const TOWERS_LEFT_MAX = 3

/** How one tower stands; facts only. */
export interface TowerReport extends TowerHealth {
  readonly name: string
  readonly address: string
  /** `leaving`: no contact is told of it any more, and it is emptied. */
  readonly use: "used" | "leaving"
  /** Queues that contacts may put into. */
  readonly queueCount: number
  /** Contacts who have no queue there yet. */
  readonly missingCount: number
  readonly tokenCount: number
}

/** See the module. */
export interface TowerDesk extends AsyncDisposable {
  /**
   * Begins to use a tower; the same tower again brings a new invitation.
   * @throws {AlliumError} `BAD_TOWER_URI`, `ALREADY_EXISTS` for the name, `LIMIT_REACHED` beyond three.
   */
  use(uri: string, name?: string): Promise<TowerReport>
  /** Stops using a tower; it is emptied first. @throws {AlliumError} `NO_TOWER`. */
  leave(name: string): Promise<TowerReport>
  /**
   * Uses another tower in place of one: contacts are told, and hear of it at the old one.
   * @param from - Needed when there are several. @throws {AlliumError} as `use` and `leave`; `BAD_INPUT`.
   */
  move(uri: string, options: { from?: string; name?: string }): Promise<TowerReport>
  list(): readonly TowerReport[]
  /** Queues of one correspondent, at most four. */
  places(peer: string): readonly Place[]
  /** Who is to have a queue may have changed. */
  peersChanged(): Promise<void>
  /** Whether any tower is in use. */
  readonly isUsed: boolean
  /** Towers in use: where backups go. */
  used(): readonly TowerAddress[]
  /** For a backup: everything but tokens. */
  keep(): TowersKept
  /** Takes up towers and queues of a backup, beside those there are. */
  bring(kept: TowersKept): Promise<void>
  /** Leaves a blob at a tower in use; a new one costs a token. @throws {AlliumError} `NO_TOWER`, and what the tower says. */
  putBlob(
    tower: TowerAddress,
    blob: { readonly id: Uint8Array; readonly writeKey: Uint8Array; readonly bytes: Uint8Array },
    call: MailCall,
  ): Promise<void>
  /**
   * Does with a token of a tower in use what costs one.
   * @throws {AlliumError} `NO_TOWER`, `BAD_TOKEN`, and what the deed says.
   */
  spend<T>(tower: TowerAddress, call: MailCall, deed: (token: Uint8Array) => Promise<T>): Promise<T>
  /** Begins to reach every tower; once. */
  start(): Promise<void>
}

/** What the desk stands on. */
export interface TowerDeskOptions {
  /** Of this identity alone. */
  readonly room: StoreRoom
  readonly line: TowerLine
  readonly tokenKey: TowerKeeperOptions["tokenKey"]
  readonly sealMove: (moveKey: Uint8Array, place: Place) => Uint8Array
  readonly peers: () => readonly string[]
  readonly take: TowerKeeperOptions["take"]
  readonly placesChanged: () => void
  /** Told when a tower comes, goes, or changes its state. */
  readonly onChange: () => void
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** Reads what is kept; nothing is reached before {@linkcode TowerDesk.start}. */
export async function openTowerDesk(options: TowerDeskOptions): Promise<TowerDesk> {
  return new Desk(options, await openTowerBook(options.room))
}

class Desk implements TowerDesk {
  readonly #options: TowerDeskOptions
  readonly #book: TowerBook
  readonly #purse: TokenPurse
  readonly #keepers = new Map<string, TowerKeeper>()
  readonly #scope = new Scope()
  readonly #turns = new Turns()

  constructor(options: TowerDeskOptions, book: TowerBook) {
    this.#options = options
    this.#book = book
    this.#purse = openTokenPurse(book, options.random)
    this.#scope.defer(() =>
      Promise.all([...this.#keepers.values()].map((keeper) => keeper[Symbol.asyncDispose]())),
    )
  }

  get isUsed(): boolean {
    return this.#used().length > 0
  }

  async start(): Promise<void> {
    await this.peersChanged()
    for (const tower of this.#book.towers()) this.#keep(tower)
  }

  use(uri: string, name?: string): Promise<TowerReport> {
    return this.#turns.take(async () => {
      const invitation = parseTowerUri(uri)
      const known = this.#book.towers().find(({ key }) => key === invitation.key)
      if (known !== undefined) return this.#renew(known, invitation)
      if (this.#used().length >= TOWERS_MAX) throw tooMany()
      return this.#add(invitation, name)
    })
  }

  leave(name: string): Promise<TowerReport> {
    return this.#turns.take(() => {
      const tower = this.#book.find(name)
      const successor = this.#used().find(({ id }) => id !== tower.id)?.id
      return this.#leave(tower, successor)
    })
  }

  move(uri: string, { from, name }: { from?: string; name?: string }): Promise<TowerReport> {
    return this.#turns.take(async () => {
      const old = from === undefined ? this.#only() : this.#book.find(from)
      const invitation = parseTowerUri(uri)
      if (invitation.key === old.key) throw sameTower()
      const known = this.#used().find(({ key }) => key === invitation.key)
      const report = known
        ? await this.#renew(known, invitation)
        : await this.#add(invitation, name)
      await this.#leave(old, this.#book.find(report.name).id)
      return report
    })
  }

  used(): readonly TowerAddress[] {
    return this.#used().map(({ key, address }) => ({ key, address }))
  }

  keep(): TowersKept {
    const towers = [...this.#book.towers()]
    return { towers, queues: towers.flatMap(({ id }) => this.#book.queues(id)) }
  }

  bring({ towers, queues }: TowersKept): Promise<void> {
    return this.#turns.take(async () => {
      for (const tower of towers) {
        const known = this.#book.towers().find(({ key }) => key === tower.key)
        if (known === undefined && this.#used().length >= TOWERS_MAX) continue
        if (known === undefined) await this.#book.putTower(this.#named(tower))
        const id = known?.id ?? tower.id
        for (const queue of queues)
          if (queue.tower === tower.id && this.#book.queue(id, queue.peer) === undefined)
            await this.#book.putQueue({ ...queue, tower: id })
        if (known === undefined) this.#keep(tower)
      }
      this.#options.onChange()
    })
  }

  async putBlob(
    { key }: TowerAddress,
    blob: { readonly id: Uint8Array; readonly writeKey: Uint8Array; readonly bytes: Uint8Array },
    call: MailCall,
  ): Promise<void> {
    const tower = this.#used().find((one) => one.key === key)
    if (tower === undefined)
      throw new AlliumError("NO_TOWER", "Cannot leave blob: the identity does not use that tower")
    const { mailbox } = await this.#options.line.reach(tower, call)
    try {
      await mailbox.putBlob(blob, call)
    } catch (error) {
      if (!isAlliumError(error, "BAD_TOKEN")) throw error
      const { id, invitation } = tower
      const key = (how: MailCall) => this.#options.tokenKey(tower, how)
      const put = (token: Uint8Array) => mailbox.putBlob({ ...blob, token }, call)
      await this.#purse.spend(id, { mailbox, invitation, key }, call, put)
    }
  }

  async spend<T>(
    { key }: TowerAddress,
    call: MailCall,
    deed: (token: Uint8Array) => Promise<T>,
  ): Promise<T> {
    const tower = this.#used().find((one) => one.key === key)
    if (tower === undefined)
      throw new AlliumError("NO_TOWER", "Cannot pay tower: the identity does not use it")
    const { mailbox } = await this.#options.line.reach(tower, call)
    const { id, invitation } = tower
    const source = {
      mailbox,
      invitation,
      key: (how: MailCall) => this.#options.tokenKey(tower, how),
    }
    return this.#purse.spend(id, source, call, deed)
  }

  list(): readonly TowerReport[] {
    return this.#book.towers().map((tower) => this.#report(tower))
  }

  places(peer: string): readonly Place[] {
    const found = this.#book.towers().flatMap((tower) => {
      const queue = this.#book.queue(tower.id, peer)
      if (queue === undefined || queue.state !== "open") return []
      const { key, address } = tower
      const { sendId, moveKey } = queue
      return tower.state === "used" || this.#waits(tower, peer)
        ? [{ kind: "tower", key, address, sendId, moveKey } as const]
        : []
    })
    return found.slice(0, TOWERS_MAX)
  }

  async peersChanged(): Promise<void> {
    const wanted = new Set(this.#options.peers())
    for (const { id } of this.#book.towers())
      for (const queue of this.#book.queues(id))
        if (!wanted.has(queue.peer) && queue.state !== "ended")
          await this.#book.putQueue({ ...queue, state: "ended" })
    this.#ring()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
  }

  #keep(tower: TowerRecord): void {
    const { id } = tower
    const { line, peers, take, tokenKey, placesChanged, onChange } = this.#options
    const { clock, chance, random, log } = this.#options
    const keeper = new TowerKeeper({
      tower: () => this.#book.towers().find((one) => one.id === id) ?? tower,
      book: this.#book,
      purse: this.#purse,
      sealedPlace: (queue) => this.#sealedPlace(queue),
      placesChanged: () => {
        this.#ring(id)
        placesChanged()
      },
      emptied: () => void this.#forget(id).catch(() => {}),
      onHealth: onChange,
      ...{ line, peers, take, tokenKey, clock, chance, random, log },
    })
    this.#keepers.set(id, keeper)
  }

  /** Names are the user's, and unique. */
  #named(tower: TowerRecord): TowerRecord {
    const taken = new Set(this.#book.towers().map(({ name }) => name))
    return taken.has(tower.name) ? { ...tower, name: freeName(taken) } : tower
  }

  #used(): TowerRecord[] {
    return this.#book.towers().filter(({ state }) => state === "used")
  }

  #only(): TowerRecord {
    const [first, ...others] = this.#used()
    if (first === undefined)
      throw new AlliumError("NO_TOWER", "Cannot move: the identity uses no tower")
    if (others.length > 0)
      throw new AlliumError("BAD_INPUT", "Cannot move: there are several towers, expected --from")
    return first
  }

  /** A contact whose new queue is not made yet keeps the old one. */
  #waits({ successor }: TowerRecord, peer: string): boolean {
    return successor !== undefined && this.#book.queue(successor, peer)?.state !== "open"
  }

  async #add(invitation: TowerInvitation, wanted: string | undefined): Promise<TowerReport> {
    const { random, clock, onChange } = this.#options
    const taken = new Set(this.#book.towers().map(({ name }) => name))
    if (wanted !== undefined && taken.has(wanted)) throw nameTaken()
    const name = wanted ?? freeName(taken)
    const id = Buffer.from(random(8)).toString("hex")
    const { key, address } = invitation
    const secret = new Uint8Array(invitation.invitation)
    const sinceMs = clock.now()
    const tower: TowerRecord = {
      id,
      name,
      key,
      address,
      invitation: secret,
      state: "used",
      sinceMs,
    }
    await this.#book.putTower(tower)
    this.#keep(tower)
    onChange()
    return this.#report(tower)
  }

  async #renew(known: TowerRecord, { address, invitation }: TowerInvitation): Promise<TowerReport> {
    if (known.state === "left" && this.#used().length >= TOWERS_MAX) throw tooMany()
    const { successor: _, ...rest } = known
    const secret = new Uint8Array(invitation)
    const tower: TowerRecord = { ...rest, address, invitation: secret, state: "used" }
    await this.#book.putTower(tower)
    this.#ring()
    return this.#report(tower)
  }

  async #leave(tower: TowerRecord, successor: string | undefined): Promise<TowerReport> {
    if (tower.state === "left") return this.#report(tower)
    await this.#dropOldest()
    const sinceMs = this.#options.clock.now()
    const left: TowerRecord = {
      ...tower,
      ...(successor !== undefined && { successor }),
      state: "left",
      sinceMs,
    }
    await this.#book.putTower(left)
    this.#options.placesChanged()
    this.#ring()
    return this.#report(left)
  }

  async #dropOldest(): Promise<void> {
    const [oldest, ...others] = this.#book.towers().filter(({ state }) => state === "left")
    if (oldest !== undefined && others.length + 1 >= TOWERS_LEFT_MAX) await this.#forget(oldest.id)
  }

  async #forget(id: string): Promise<void> {
    const keeper = this.#keepers.get(id)
    this.#keepers.delete(id)
    await this.#book.removeTower(id)
    this.#options.onChange()
    // Not awaited: the keeper itself may be asking.
    void keeper?.[Symbol.asyncDispose]()
  }

  #sealedPlace({ tower, peer, moveKey }: QueueRecord): Uint8Array | undefined {
    const { successor } = this.#book.towers().find(({ id }) => id === tower) ?? {}
    const next = this.#used().find(({ id }) => id === successor)
    const queue = next && this.#book.queue(next.id, peer)
    if (next === undefined || queue?.state !== "open") return undefined
    const { key, address } = next
    const place: Place = {
      kind: "tower",
      ...{ key, address, sendId: queue.sendId, moveKey: queue.moveKey },
    }
    return this.#options.sealMove(moveKey, place)
  }

  #ring(except?: string): void {
    for (const [id, keeper] of this.#keepers) if (id !== except) keeper.ring()
  }

  #report(tower: TowerRecord): TowerReport {
    const { id, name, address, state } = tower
    const open = this.#book.queues(id).filter((queue) => queue.state === "open")
    const used = state === "used"
    return {
      name,
      address,
      use: used ? "used" : "leaving",
      ...(this.#keepers.get(id)?.health ?? { state: "opening" }),
      queueCount: open.length,
      missingCount: used ? Math.max(0, this.#options.peers().length - open.length) : 0,
      tokenCount: this.#book.tokenCount(id),
    }
  }
}

function freeName(taken: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? "tower" : `tower-${number}`
    if (!taken.has(name)) return name
  }
}

function tooMany(): AlliumError {
  const message = `Cannot use tower: the identity uses ${TOWERS_MAX} already, expected fewer`
  return new AlliumError("LIMIT_REACHED", message)
}

function nameTaken(): AlliumError {
  const message = "Cannot use tower: that name is taken, expected another --name"
  return new AlliumError("ALREADY_EXISTS", message)
}

function sameTower(): AlliumError {
  return new AlliumError("BAD_INPUT", "Cannot move: it is the tower you come from")
}
