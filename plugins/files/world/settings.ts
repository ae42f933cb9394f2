/**
 * What the user chose for all torrents with the world: trackers, our own one, folders that are watched.
 *
 * @module
 */
import { AlliumError, type StoreRoom, type Table, Turns, z } from "allium/plugin"
import { parseTrackerUrl } from "../torrent/tracker-url.ts"
import { OPEN_TRACKERS } from "./known-trackers.ts"

/** Open trackers one may choose: each is told of each share. */
const TRACKERS_MAX = 16

const settingsShape = z.object({
  /** Announce URLs; the known open ones unless the user chose. */
  trackers: z.array(z.string()).optional(),
  /** Whose torrents our own tracker takes, if it runs. */
  ownTracker: z.enum(["own", "all"]).optional(),
})
type Settings = z.output<typeof settingsShape>

/** See the module. */
export class WorldSettings {
  readonly #store: StoreRoom
  readonly #table: Table<Settings>
  readonly #turns = new Turns()
  #now: Settings = {}

  constructor(store: StoreRoom) {
    this.#store = store
    this.#table = store.table("world-settings", settingsShape)
  }

  async load(): Promise<void> {
    this.#now = (await this.#table.get("settings")) ?? {}
  }

  /** Announce URLs of the open trackers in use. */
  get trackers(): readonly string[] {
    return this.#now.trackers ?? OPEN_TRACKERS
  }

  /** `undefined` when our own tracker does not run. */
  get ownTracker(): "own" | "all" | undefined {
    return this.#now.ownTracker
  }

  /** @throws {AlliumError} `BAD_INPUT` for what is no announce URL inside I2P; `LIMIT_REACHED`. */
  async addTracker(text: string): Promise<string> {
    const url = requireTracker(text)
    const trackers = [...new Set([...this.trackers, url])]
    if (trackers.length > TRACKERS_MAX)
      throw new AlliumError(
        "LIMIT_REACHED",
        `Cannot add tracker: there are ${TRACKERS_MAX} already`,
      )
    await this.#change({ trackers })
    return url
  }

  /** @throws {AlliumError} `NOT_FOUND`. */
  async removeTracker(text: string): Promise<string> {
    const url = requireTracker(text)
    if (!this.trackers.includes(url))
      throw new AlliumError("NOT_FOUND", "Cannot remove tracker: it is not among those in use")
    await this.#change({ trackers: this.trackers.filter((other) => other !== url) })
    return url
  }

  async setOwnTracker(ownTracker: "own" | "all" | undefined): Promise<void> {
    await this.#change({ ownTracker })
  }

  #change(different: { [K in keyof Settings]?: Settings[K] | undefined }): Promise<void> {
    return this.#turns.take(async () => {
      const { trackers, ownTracker } = { ...this.#now, ...different }
      this.#now = { ...(trackers && { trackers }), ...(ownTracker && { ownTracker }) }
      await this.#store.commit([this.#table.put("settings", this.#now)])
    })
  }
}

/** @throws {AlliumError} `BAD_INPUT`. */
export function requireTracker(text: string): string {
  const url = parseTrackerUrl(text.trim())
  if (url !== undefined) return url.url
  throw new AlliumError("BAD_INPUT", "Cannot use tracker: expected http:// and a host in .i2p")
}
