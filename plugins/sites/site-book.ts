/**
 * The sites of a router: what is kept of them, which are open, and when that changes.
 *
 * @module
 */
import { AlliumError, drawQr, type PluginContext, type Table, toAlliumError } from "allium/plugin"
import { type Guest, guestLink } from "./lock.ts"
import type { SiteReport } from "./offers.ts"
import { requireReaders, withGuest, withReaders } from "./readers.ts"
import { openSite, type Site } from "./site.ts"
import {
  isPrivate,
  nameFor,
  newSiteRecord,
  type SiteRecord,
  type SiteShows,
  type SiteWish,
  shownAs,
  showsSame,
  siteRecordShape,
} from "./site-record.ts"

/** Each site keeps several I2P tunnels of the router busy. */
const SITES_MAX = 16
/** Links of one site. */
const GUESTS_MAX = 1_024
/** Times are looked at so often, for the wall clock may be set. */
const LOOK_EVERY_MS = 30_000
/** What was given away last gets so long to arrive. */
const LAST_WORDS_MS = 60_000

/** Opens every site of the store that is to be open. */
export async function openSiteBook(context: PluginContext): Promise<SiteBook> {
  const table: Table<SiteRecord> = context.store.table("sites", siteRecordShape)
  const book = new SiteBook(context, table)
  for await (const [, record] of table.entries()) await book.load(record)
  void book.keepTimes()
  return book
}

/** Changes of one site come one after another; a name is taken before its site stands. */
export class SiteBook implements AsyncDisposable {
  readonly #context: PluginContext
  readonly #table: Table<SiteRecord>
  readonly #records = new Map<string, SiteRecord>()
  readonly #open = new Map<string, Site>()
  readonly #coming = new Set<string>()

  constructor(context: PluginContext, table: Table<SiteRecord>) {
    this.#context = context
    this.#table = table
  }

  /** A site from the store. */
  async load(record: SiteRecord): Promise<void> {
    this.#records.set(record.name, record)
    if (this.#shallBeOpen(record)) await this.#openNow(record)
  }

  list(): SiteReport[] {
    return [...this.#records.values()].map((record) => this.#report(record))
  }

  /** @throws {AlliumError} `NOT_FOUND`. */
  show(name: string): SiteReport {
    return this.#report(this.#find(name), true)
  }

  /**
   * What is stored of the site that shows this under this name, if it stands already.
   * @throws {AlliumError} `ALREADY_EXISTS` when it shows something else, or more people may come in than wished for.
   */
  known(
    shows: SiteShows,
    wanted: string | undefined,
    wish: Pick<SiteWish, "private" | "encrypted">,
  ): string | undefined {
    const name = wanted ?? nameFor(shows)
    const known = this.#records.get(name)
    if (known === undefined && !this.#coming.has(name)) return undefined
    if (known === undefined || !showsSame(known.shows, shows)) throw taken()
    const isTooOpen = wish.private === true && !isPrivate(known)
    if (isTooOpen || (wish.encrypted !== undefined && known.encrypted === undefined))
      throw new AlliumError(
        "ALREADY_EXISTS",
        "Cannot add site: it stands already for more people, expected another --name",
      )
    return name
  }

  /** @throws {AlliumError} `ALREADY_EXISTS`, `LIMIT_REACHED`. */
  async add(shows: SiteShows, wanted: string | undefined, wish: SiteWish): Promise<SiteReport> {
    const name = wanted ?? nameFor(shows)
    if (this.#records.has(name) || this.#coming.has(name)) throw taken()
    requireRoom(wish.guests)
    requireReaders(wish)
    if (this.#records.size + this.#coming.size >= SITES_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot add site: there are ${SITES_MAX} already`)
    this.#coming.add(name)
    try {
      const record = newSiteRecord(name, shows, wish)
      await this.#store(record)
      if (this.#shallBeOpen(record)) await this.#openNow(record)
      await this.#requireSupport(name)
      return this.show(name)
    } finally {
      this.#coming.delete(name)
    }
  }

  /** Closes a site and keeps what is known of it. */
  async stop(name: string): Promise<SiteReport> {
    const record = { ...this.#find(name), stopped: true }
    await this.#store(record)
    await this.#close(name)
    return this.show(name)
  }

  /** Opens it again, whatever its times said. */
  async start(name: string, closesAt: number | undefined): Promise<SiteReport> {
    const { opensAt: _opens, closesAt: _closes, ...kept } = this.#find(name)
    const record: SiteRecord = {
      ...{ ...kept, stopped: false, counts: [] },
      ...(closesAt !== undefined && { closesAt }),
    }
    await this.#store(record)
    if (!this.#open.has(name)) await this.#openNow(record)
    return this.show(name)
  }

  /**
   * Lets one more come in, at once; who is a guest already keeps their link.
   * @throws {AlliumError} `NOT_FOUND`, `SITE_IS_PUBLIC`, `ALREADY_EXISTS` when somebody else has that name, `LIMIT_REACHED`.
   */
  async invite(name: string, guest: Guest): Promise<SiteReport> {
    const record = this.#findPrivate(name)
    const known = record.guests.find((one) => one.name === guest.name)
    if (known !== undefined && known.contact !== guest.contact) throw guestTaken()
    if (known === undefined) await this.#setGuests(withGuest(record, guest))
    return this.show(name)
  }

  /**
   * Shuts the door for one guest, at once; the others notice nothing.
   * @param who - Finds the guest. @throws {AlliumError} `NOT_FOUND`, `SITE_IS_PUBLIC`.
   */
  async uninvite(name: string, who: (guest: Guest) => boolean): Promise<SiteReport> {
    const record = this.#findPrivate(name)
    const gone = record.guests.find(who)
    if (gone === undefined)
      throw new AlliumError("NOT_FOUND", "Cannot withdraw link: the site has no such guest")
    await this.#setGuests({ ...record, guests: record.guests.filter((guest) => guest !== gone) })
    return this.show(name)
  }

  /** Forgets it, and its address with it. */
  async remove(name: string): Promise<{ name: string; address: string }> {
    const record = this.#find(name)
    const { address } = this.#report(record)
    this.#records.delete(name)
    await this.#context.store.commit([this.#table.remove(name)])
    await this.#close(name)
    await this.#context.forgetSession(record.id)
    return { name, address }
  }

  /** Opens and closes sites when their time has come, until the plugin ends. */
  async keepTimes(): Promise<void> {
    const { clock, signal, log } = this.#context
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, { signal }).catch(() => {})
      if (!signal.aborted)
        await this.#lookAtTimes().catch((error) =>
          log.error("site.times", { code: toAlliumError(error).code }),
        )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.keys()].map((name) => this.#close(name)))
  }

  async #lookAtTimes(): Promise<void> {
    for (const record of [...this.#records.values()]) {
      const isDue = this.#shallBeOpen(record)
      if (isDue && !this.#open.has(record.name)) await this.#openNow(record)
      else if (!isDue && this.#open.has(record.name)) await this.stop(record.name)
    }
  }

  #shallBeOpen({ stopped, opensAt = 0, closesAt = Infinity }: SiteRecord): boolean {
    const nowMs = this.#context.clock.now()
    return !stopped && nowMs >= opensAt && nowMs < closesAt
  }

  async #openNow(stored: SiteRecord): Promise<void> {
    const record = withReaders(stored)
    const { name } = record
    if (record !== stored) await this.#store(record)
    const site = await openSite(this.#context, record, {
      counted: (counts, isOver) => void this.#counted(name, counts, isOver),
    })
    this.#open.set(name, site)
    const { address } = site.report()
    const known = this.#records.get(name) ?? record
    if (address !== "" && address !== known.address) await this.#store({ ...known, address })
  }

  async #counted(name: string, counts: readonly number[], isOver: boolean): Promise<void> {
    const record = this.#records.get(name)
    if (record === undefined) return
    await this.#store({ ...record, counts: [...counts] })
    const { clock, signal, emit } = this.#context
    emit("download", { site: name })
    if (!isOver) return
    await clock.sleep(LAST_WORDS_MS, { signal }).catch(() => {})
    if (!signal.aborted && this.#records.has(name)) await this.stop(name)
  }

  async #close(name: string): Promise<void> {
    const site = this.#open.get(name)
    this.#open.delete(name)
    await site?.[Symbol.asyncDispose]()
  }

  async #store(record: SiteRecord): Promise<void> {
    this.#records.set(record.name, record)
    await this.#context.store.commit([this.#table.put(record.name, record)])
  }

  /** The door first: it shuts also when the disk is full. */
  async #setGuests(record: SiteRecord): Promise<void> {
    requireRoom(record.guests)
    this.#open.get(record.name)?.setGuests(record.guests)
    await this.#store(record)
  }

  /** A site that this router can never open is not kept. */
  async #requireSupport(name: string): Promise<void> {
    const failure = this.#open.get(name)?.failure
    if (failure?.code !== "SESSION_NOT_SUPPORTED") return
    await this.remove(name)
    throw failure
  }

  #findPrivate(name: string): SiteRecord {
    const record = this.#find(name)
    if (isPrivate(record)) return record
    const message = "Cannot change guests: everybody may come in, expected a private site"
    throw new AlliumError("SITE_IS_PUBLIC", message)
  }

  #find(name: string): SiteRecord {
    const record = this.#records.get(name)
    if (record === undefined)
      throw new AlliumError("NOT_FOUND", "Cannot find site: none has that name")
    return record
  }

  /** Links are secrets: they are told when asked for, not in every list. */
  #report(record: SiteRecord, withLinks = false): SiteReport {
    const { name, shows, guests, counts, opensAt, closesAt } = record
    const site = this.#open.get(name)
    const state = record.stopped ? "stopped" : "waiting"
    const { address } = record
    const nothing = { streams: 0, requests: 0, address, url: address && `http://${address}/` }
    const base = site?.report() ?? { ...nothing, name, state, shows: shownAs(shows) }
    const links = guests.map((guest) => ({
      guest: guest.name,
      link: guestLink(base.address, guest),
    }))
    const hasLinks = withLinks && links.length > 0 && base.address !== ""
    const url = hasLinks && links.length === 1 ? links[0]!.link : base.url
    return {
      ...{ ...base, url },
      ...(hasLinks && { links }),
      ...(shows.kind === "share" && { downloads: counts.reduce((sum, count) => sum + count, 0) }),
      ...(opensAt !== undefined && { opensAt }),
      ...(closesAt !== undefined && { closesAt }),
      ...(withLinks && url !== "" && { qr: drawQr(url) }),
    }
  }
}

function taken(): AlliumError {
  const message = "Cannot add site: that name shows something else already, expected another --name"
  return new AlliumError("ALREADY_EXISTS", message)
}

function guestTaken(): AlliumError {
  const message = "Cannot invite: another guest has that name already, expected another name"
  return new AlliumError("ALREADY_EXISTS", message)
}

function requireRoom(guests: readonly Guest[]): void {
  if (guests.length > GUESTS_MAX)
    throw new AlliumError("LIMIT_REACHED", `Cannot invite: a site has ${GUESTS_MAX} links at most`)
}
