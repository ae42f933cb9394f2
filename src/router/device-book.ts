/**
 * The devices of our own identities, as their signed lists say.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import {
  DEVICE_NUMBER_MAX,
  DEVICES_MAX,
  type Device,
  type DeviceList,
  listedKey,
  makeDeviceList,
  readDeviceList,
} from "../identity/device-list.ts"
import type { Identity } from "../identity/identity.ts"
import { keyToText } from "../identity/keys.ts"
import type { Change, StoreRoom, Table } from "../store/store.ts"
import type { OwnDevices } from "./mail-devices.ts"

const recordShape = z.strictObject({
  list: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  /** Highest number ever given away: none is used twice. */
  last: z.int().min(0),
})
type BookRecord = z.output<typeof recordShape>

/** Opens the book. */
export async function openDeviceBook(room: StoreRoom): Promise<DeviceBook> {
  const book = new DeviceBook(room)
  await book.load()
  return book
}

/** See the module. */
export class DeviceBook implements OwnDevices {
  readonly #room: StoreRoom
  readonly #table: Table<BookRecord>
  readonly #left: Table<boolean>
  readonly #unlinked = new Set<string>()
  readonly #records = new Map<string, BookRecord & { readonly said: DeviceList }>()

  constructor(room: StoreRoom) {
    this.#room = room
    this.#table = room.table("device-lists", recordShape)
    this.#left = room.table("unlinked", z.boolean())
  }

  async load(): Promise<void> {
    for await (const [key, record] of this.#table.entries()) this.#keep(key, record)
    for await (const [key] of this.#left.entries()) this.#unlinked.add(key)
  }

  /** Every device; the first one alone when none was ever linked. */
  list({ key, address }: Identity): DeviceList {
    const first = { revision: 0, devices: [{ number: 0, address }] }
    return this.#records.get(key)?.said ?? first
  }

  others(identity: Identity): readonly Device[] {
    if (this.isUnlinked(identity)) return []
    return this.list(identity).devices.filter(({ number }) => number !== identity.device)
  }

  isUnlinked({ key }: Pick<Identity, "key">): boolean {
    return this.#unlinked.has(key)
  }

  /** This device is one of the identity's no more, for good. */
  async leave({ key }: Identity): Promise<void> {
    await this.#room.commit([this.#left.put(key, true)])
    this.#unlinked.add(key)
  }

  /** Whether a device had that number, and has it no more. */
  wasUnlinked(identity: Identity, number: number): boolean {
    const { last = 0 } = this.#records.get(identity.key) ?? {}
    const { devices } = this.list(identity)
    return number > 0 && number <= last && devices.every((one) => one.number !== number)
  }

  /** What contacts are told, signed by the present key; `undefined` when none was ever linked. */
  signed({ key, present }: Pick<Identity, "key" | "present">): Uint8Array | undefined {
    const record = this.#records.get(key)
    return record && makeDeviceList(present, record.said)
  }

  /** Number of the next device. @throws {AlliumError} `LIMIT_REACHED`. */
  nextNumber(identity: Identity): number {
    const number = (this.#records.get(identity.key)?.last ?? 0) + 1
    if (this.list(identity).devices.length < DEVICES_MAX && number <= DEVICE_NUMBER_MAX)
      return number
    throw new AlliumError("LIMIT_REACHED", "Cannot link device: there are as many as can be")
  }

  /** Says anew which devices there are. @param nowMs - Later than any list a lost machine made. */
  async change(identity: Identity, devices: readonly Device[], nowMs: number): Promise<void> {
    const revision = Math.max(this.list(identity).revision + 1, Math.floor(nowMs))
    const list = makeDeviceList(identity.present, { revision, devices })
    const numbers = devices.map(({ number }) => number)
    const last = Math.max(this.#records.get(identity.key)?.last ?? 0, ...numbers)
    await this.#save(identity.key, { list, last })
  }

  /**
   * Takes a list another device of ours made, or a backup kept; an older one changes nothing.
   * @returns Whether it is new. @throws {AlliumError} `BAD_RECORD` unless the identity signed it, by a key it has or had.
   */
  async take(identity: Identity, list: Uint8Array, last = 0): Promise<boolean> {
    const { publicKey } = identity.keysOf(keyToText(listedKey(list))) ?? identity.present
    const { revision, devices } = readDeviceList(list, publicKey)
    if (revision <= this.list(identity).revision) return false
    const known = this.#records.get(identity.key)?.last ?? 0
    const highest = Math.max(known, last, ...devices.map(({ number }) => number))
    await this.#save(identity.key, { list, last: highest })
    return true
  }

  /** For a backup; `undefined` when none was ever linked. */
  keep({ key }: Identity): BookRecord | undefined {
    const record = this.#records.get(key)
    return record && { list: record.list, last: record.last }
  }

  async #save(key: string, record: BookRecord): Promise<void> {
    const put: Change = this.#table.put(key, record)
    await this.#room.commit([put])
    this.#keep(key, record)
  }

  #keep(key: string, record: BookRecord): void {
    this.#records.set(key, { ...record, said: readDeviceList(record.list, listedKey(record.list)) })
  }
}
