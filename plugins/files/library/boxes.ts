/**
 * Drop boxes: folders into which contacts may drop files without asking, up to a quota, a number and a time.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { AlliumError, type Clock, type Contact, type StoreRoom, Turns, z } from "allium/plugin"
import type { Welcome } from "../contact/reader.ts"
import type { Ends } from "./answering.ts"

/** Drop boxes of one router. */
const BOXES_MAX = 100
/** Contacts named for one. */
const DROPPERS_MAX = 1_000

const boxShape = z.object({
  /** 16 hexadecimal digits. */
  id: z.string(),
  /** Key of the identity it is for. */
  identity: z.string(),
  /** Real path. */
  folder: z.string(),
  /** `all` accepted contacts, or keys. */
  from: z.union([z.literal("all"), z.array(z.string()).max(DROPPERS_MAX)]),
  /** Bytes that may come, and that did. */
  quota: z.int(),
  taken: z.int(),
  /** Transfers that may come, if there is an end to them, and that did. */
  most: z.int().optional(),
  count: z.int(),
  /** Milliseconds since 1970. */
  until: z.int().optional(),
})

/** One drop box. What was accepted counts, also when it failed later. */
export type Box = z.output<typeof boxShape>
/** `open`: takes files. The others say why not. */
export type BoxState = "open" | "full" | "expired"

/** See the module. */
export class Boxes {
  readonly #store: StoreRoom
  readonly #clock: Clock
  readonly #table
  readonly #turns = new Turns()
  readonly #boxes = new Map<string, Box>()

  constructor(store: StoreRoom, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#table = store.table("boxes", boxShape)
  }

  async load(): Promise<void> {
    for await (const [id, box] of this.#table.entries()) this.#boxes.set(id, box)
  }

  list(identity: string): Box[] {
    return [...this.#boxes.values()].filter((box) => box.identity === identity)
  }

  stateOf({ until, most, count, quota, taken }: Box): BoxState {
    if (until !== undefined && this.#clock.now() >= until) return "expired"
    return taken >= quota || (most !== undefined && count >= most) ? "full" : "open"
  }

  /** Opens a box anew; one for the same folder is replaced. @throws {AlliumError} `LIMIT_REACHED`. */
  open(wish: Omit<Box, "id" | "taken" | "count">): Promise<Box> {
    return this.#turns.take(async () => {
      const old = this.list(wish.identity).find(({ folder }) => folder === wish.folder)
      if (old === undefined && this.#boxes.size >= BOXES_MAX)
        throw new AlliumError("LIMIT_REACHED", `Cannot receive: there are ${BOXES_MAX} boxes`)
      const id = old?.id ?? randomBytes(8).toString("hex")
      const box: Box = { ...wish, id, taken: 0, count: 0 }
      await this.#store.commit([this.#table.put(id, box)])
      this.#boxes.set(id, box)
      return box
    })
  }

  /** What came stays. @throws {AlliumError} `NOT_FOUND`. */
  stop(identity: string, folder: string): Promise<Box> {
    return this.#turns.take(async () => {
      const box = this.list(identity).find((one) => one.folder === folder)
      if (box === undefined)
        throw new AlliumError("NOT_FOUND", "Cannot stop receiving: no such folder is a drop box")
      await this.#store.commit([this.#table.remove(box.id)])
      this.#boxes.delete(box.id)
      return box
    })
  }

  /** The box an offer drops into. It counts from now on, unless `lost` says that it was not accepted. */
  async welcome(
    { identity, contact }: Ends,
    { size }: { size: number },
  ): Promise<Welcome | undefined> {
    const box = this.list(identity.key).find((one) => this.#takes(one, contact, size))
    if (box === undefined) return undefined
    const counted = { ...box, taken: box.taken + size, count: box.count + 1 }
    this.#boxes.set(box.id, counted)
    return {
      folder: box.folder,
      also: [this.#table.put(box.id, counted)],
      lost: () => this.#giveBack(box, size),
    }
  }

  #giveBack({ id }: Box, size: number): void {
    const box = this.#boxes.get(id)
    if (box !== undefined)
      this.#boxes.set(id, { ...box, taken: Math.max(0, box.taken - size), count: box.count - 1 })
  }

  #takes(box: Box, contact: Contact, size: number): boolean {
    const isFrom = box.from === "all" || box.from.includes(contact.key)
    return isFrom && this.stateOf(box) === "open" && box.taken + size <= box.quota
  }
}
