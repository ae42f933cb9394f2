/**
 * Looking for contacts who were just lost where they are met when they come back on a new machine.
 *
 * @see docs/protocol/backup.md "Coming back"
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import { Slots } from "../base/turns.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { MEETING_MS } from "./homecoming.ts"
import type { Links } from "./links.ts"

/** Between two looks whom we have lost. */
const LOOK_MS = 5_000
/** A link that comes back by itself does so within this time. */
const PATIENCE_MS = 15_000
/** Between two visits; the I2P router asks its network for up to 40 s each time. */
const AGAIN_MS = 10_000
/** After one that met somebody: it is they who dial now. */
const MET_MS = 60_000
/** Visits at once: when everybody is lost, it is our own fault. */
const VISITS_MAX = 8

/** What visits stand on. */
export interface VisitsOptions {
  readonly identities: Pick<IdentityBook, "list" | "contacts">
  readonly links: Pick<Links, "reachable" | "onReachable" | "visit">
  /** Where a contact is to be met, if they told us. */
  readonly homecomingOf: (identity: Identity, contactKey: string) => Promise<string | undefined>
  /** For how long the session of an identity has been up; 0 when it is not. */
  readonly upForMs: (identity: Identity) => number
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
  readonly signal: AbortSignal
}

/** Somebody whose link was lost. */
interface Lost {
  readonly identity: Identity
  readonly key: string
  readonly sinceMs: number
}

/** Begins; ends with the signal. */
export function visitTheLost(options: VisitsOptions): void {
  const visits = new Visits(options)
  visits.run().catch(() => {})
}

class Visits {
  readonly #options: VisitsOptions
  readonly #slots = new Slots(VISITS_MAX)
  /** By identity: names of links that stood at the last look, or came up since. */
  readonly #stood = new Map<string, Set<string>>()
  readonly #lost = new Map<string, Lost>()

  constructor(options: VisitsOptions) {
    this.#options = options
  }

  async run(): Promise<never> {
    const { clock, links, signal } = this.#options
    const undo = links.onReachable(({ identity, contact }) =>
      this.#stood.set(identity.key, this.#stoodOf(identity).add(contact.key)),
    )
    signal.addEventListener("abort", undo, { once: true })
    for (;;) {
      await clock.sleep(LOOK_MS, { signal })
      for (const identity of this.#options.identities.list()) this.#look(identity)
    }
  }

  #look(identity: Identity): void {
    const { links, identities, clock } = this.#options
    const standing = new Set(links.reachable(identity))
    const before = this.#stoodOf(identity)
    this.#stood.set(identity.key, standing)
    for (const key of before) {
      const isContact = identities.contacts(identity).byKey(key)?.state === "accepted"
      const place = `${identity.key}/${key}`
      if (standing.has(key) || !isContact || this.#lost.has(place)) continue
      const lost = { identity, key, sinceMs: clock.monotonicMs() }
      this.#lost.set(place, lost)
      this.#seek(lost)
        .catch((thrown: unknown) => this.#tell("ended", thrown))
        .finally(() => this.#lost.delete(place))
    }
  }

  #stoodOf({ key }: Identity): Set<string> {
    return this.#stood.get(key) ?? new Set()
  }

  async #seek(lost: Lost): Promise<void> {
    const { clock, chance, signal, homecomingOf } = this.#options
    await clock.sleep(PATIENCE_MS, { signal })
    const address = await homecomingOf(lost.identity, lost.key)
    while (address !== undefined && this.#isLost(lost)) {
      const met = await this.#slots.take(() => this.#visit(lost, address), { signal })
      await clock.sleep((met ? MET_MS : AGAIN_MS) * (0.5 + chance()), { signal })
    }
  }

  /** A session that came up later knows no old way: they are found at their own address. */
  #isLost({ identity, key, sinceMs }: Lost): boolean {
    const { clock, upForMs, links, identities } = this.#options
    const forMs = clock.monotonicMs() - sinceMs
    if (forMs > MEETING_MS || upForMs(identity) < forMs) return false
    if (identities.contacts(identity).byKey(key)?.state !== "accepted") return false
    return !links.reachable(identity).includes(key)
  }

  async #visit({ identity, key }: Lost, address: string): Promise<boolean> {
    const { links, signal } = this.#options
    try {
      await links.visit(identity, { key, address }, { signal })
      return true
    } catch (thrown) {
      this.#tell("nobody", thrown)
      return false
    }
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#options.signal.aborted)
      this.#options.log.debug(`homecoming.${event}`, { code: toAlliumError(thrown).code })
  }
}
