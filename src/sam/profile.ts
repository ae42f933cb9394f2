/**
 * What the router at hand can do, as far as its HELLO tells, and which faults to step around.
 *
 * What a newer router would allow but an older one turns into a crash or a dead session is not in here:
 * it is never done at all (PING, quoting, other signature types, two ACCEPTs at once, pipelining).
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"

/** Abilities of one router. */
export interface RouterProfile {
  /** SAM version both sides speak: `3.0` to `3.3`. */
  readonly version: string
  /** Takes FROM_PORT and TO_PORT (3.2). i2pd takes them and ignores them; 2.45.1 never sees them. */
  readonly ports: boolean
  /** Knows STYLE=DATAGRAM2 and DATAGRAM3. Routers with 3.3 may; those without surely do not. */
  readonly newDatagrams: boolean
  /** Name for a session with subsessions. `PRIMARY` is unknown to i2pd; `MASTER` works everywhere. */
  readonly primaryStyle: "MASTER"
}

/**
 * @param version - From `HELLO REPLY`. i2pd 2.45.1 says 3.1; i2pd from 2.58 and Java I2P say 3.3.
 * @throws {AlliumError} `BRIDGE_REFUSED` for a version we did not offer.
 */
export function profileOf(version: string): RouterProfile {
  if (!/^3\.[0-3]$/.test(version))
    throw new AlliumError(
      "BRIDGE_REFUSED",
      "Cannot speak to SAM bridge: it chose a version we did not offer, expected 3.0 to 3.3",
    )
  const minor = Number(version.slice(2))
  return { version, ports: minor >= 2, newDatagrams: minor >= 3, primaryStyle: "MASTER" }
}
