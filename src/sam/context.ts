/**
 * What every part of the client needs from outside.
 *
 * @module
 */
import { type Clock, systemClock } from "../base/clock.ts"
import { type Log, silentLog } from "../base/log.ts"
import { type Chance, type RandomBytes, systemRandom } from "../base/random.ts"
import type { BridgeAddress } from "./bridge-address.ts"

/** Bridge, time, chance and log. */
export interface SamContext {
  readonly bridge: BridgeAddress
  readonly clock: Clock
  /** For jitter. */
  readonly chance: Chance
  /** For session ids and transient keys. */
  readonly random: RandomBytes
  /** Told of events and codes; never of keys, names or addresses. */
  readonly log: Log
}

/** A bridge, and whatever of the rest shall not be the machine's own. */
export type SamOptions = Pick<SamContext, "bridge"> & Partial<SamContext>

/** Fills in clock, chance and randomness of the machine, and a silent log. */
export function contextOf(options: SamOptions): SamContext {
  const {
    bridge,
    clock = systemClock,
    chance = Math.random,
    random = systemRandom,
    log = silentLog,
  } = options
  return { bridge, clock, chance, random, log }
}

/** `DUPLICATED_ID` has to be impossible, and an id must tell nothing: 80 bits of chance. */
export function newSessionId(random: RandomBytes): string {
  return Buffer.from(random(10)).toString("hex")
}
