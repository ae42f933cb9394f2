/**
 * The options of `SESSION CREATE`: what we set, what callers may set, and what nobody may.
 *
 * @see https://geti2p.net/en/docs/protocol/i2cp#options
 * @module
 */
import { AlliumError } from "../base/errors.ts"

/** What a session carries. `DATAGRAM2` and `DATAGRAM3` are known to routers of late 2025 and newer. */
export type SessionStyle = "STREAM" | "DATAGRAM" | "RAW" | "DATAGRAM2" | "DATAGRAM3" | "PRIMARY"

/** I2CP and streaming options by name, such as `inbound.length`: `"2"`. */
export type I2cpOptions = Readonly<Record<string, string>>

/**
 * Three tunnels each way: with one or two, 4 of 8 destinations were out of reach for over a minute on
 * i2pd 2.45.1. Modern LeaseSet encryption only: without it 2.45.1 takes ElGamal.
 */
const DEFAULTS: I2cpOptions = {
  "inbound.quantity": "3",
  "outbound.quantity": "3",
  "i2cp.leaseSetEncType": "4",
  "i2p.streaming.answerPings": "false",
}

/**
 * The caller's options over ours, in order.
 *
 * @throws {AlliumError} `BAD_INPUT` for a name that is no I2CP option: `SIGNATURE_TYPE` and the like are
 * not for callers, a wrong one crashes routers.
 */
export function optionValues(options: I2cpOptions = {}): [string, string][] {
  for (const name of Object.keys(options))
    if (!/^[a-z][A-Za-z0-9]*(?:\.[A-Za-z0-9_-]+)+$/.test(name))
      throw new AlliumError(
        "BAD_INPUT",
        "Cannot open session: an option is not named like inbound.length, expected an I2CP option",
      )
  return Object.entries({ ...DEFAULTS, ...options })
}
