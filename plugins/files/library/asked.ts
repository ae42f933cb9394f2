/**
 * What we asked contacts for: when they offer it, it is accepted without asking us again.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { AlliumError, type Change, type Clock, type StoreRoom, z } from "allium/plugin"
import { TRANSFER_ID_BYTES } from "../contact/line-keys.ts"
import type { Welcome } from "../contact/reader.ts"
import type { Ends } from "./answering.ts"

/** What was asked for and did not come yet. */
const ASKED_MAX = 1_000
/** What is offered later than this is offered like anything else. */
const ASKED_LIFE_MS = 30 * 86_400_000

const askedShape = z.object({
  /** Real path of the folder it goes to. */
  folder: z.string(),
  /** Bytes of it, as they said. */
  size: z.int(),
  /** Milliseconds since 1970. */
  at: z.int(),
})

type Asked = z.output<typeof askedShape>

/** See the module. */
export class AskedFor {
  readonly #store: StoreRoom
  readonly #clock: Clock
  readonly #table
  readonly #known = new Map<string, Asked>()
  /** Those that are being asked for: what they say of its size is not here yet. */
  readonly #asking = new Map<string, Promise<unknown>>()

  constructor(store: StoreRoom, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#table = store.table("asked", askedShape)
  }

  /** Reads what is on disk, and forgets what is old. */
  async load(): Promise<void> {
    const old: Change[] = []
    for await (const [key, asked] of this.#table.entries()) {
      if (this.#isOld(asked)) old.push(this.#table.remove(key))
      else this.#known.set(key, asked)
    }
    if (old.length > 0) await this.#store.commit(old)
  }

  /**
   * Asks for something by `ask`, under a fresh id.
   *
   * @param ask - Resolves to its size, as they say.
   * @returns The id, 32 hexadecimal digits; on disk.
   * @throws {AlliumError} `LIMIT_REACHED`, and what `ask` throws.
   */
  async ask(
    from: Ends,
    folder: string,
    ask: (transfer: Uint8Array) => Promise<number>,
  ): Promise<string> {
    if (this.#known.size + this.#asking.size >= ASKED_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot ask: ${ASKED_MAX} things did not come yet`)
    const transfer = new Uint8Array(randomBytes(TRANSFER_ID_BYTES))
    const id = Buffer.from(transfer).toString("hex")
    const key = keyOf(from, id)
    const asking = ask(transfer).then((size) => this.#keep(key, folder, size))
    this.#asking.set(key, asking)
    await asking.finally(() => this.#asking.delete(key))
    return id
  }

  /** Whether an offer is what was asked for. */
  async welcome(from: Ends, offer: { id: string; size: number }): Promise<Welcome | undefined> {
    const key = keyOf(from, offer.id)
    await this.#asking.get(key)?.catch(() => {})
    const asked = this.#known.get(key)
    if (asked === undefined || asked.size !== offer.size || this.#isOld(asked)) return undefined
    return {
      folder: asked.folder,
      also: [this.#table.remove(key)],
      kept: () => void this.#known.delete(key),
    }
  }

  async #keep(key: string, folder: string, size: number): Promise<void> {
    const asked = { folder, size, at: Math.floor(this.#clock.now()) }
    await this.#store.commit([this.#table.put(key, asked)])
    this.#known.set(key, asked)
  }

  #isOld({ at }: Asked): boolean {
    return this.#clock.now() - at > ASKED_LIFE_MS
  }
}

function keyOf({ identity, contact }: Ends, id: string): string {
  return `${identity.key}/${contact.key}/${id}`
}
