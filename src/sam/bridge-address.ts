/**
 * Where a SAM bridge listens, and how to be let in.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"

/** A SAM bridge: i2pd's or Java I2P's, usually `127.0.0.1:7656`. */
export interface BridgeAddress {
  /** Name or IP address, IPv6 without brackets. */
  readonly host: string
  /** TCP, 1 to 65535. */
  readonly port: number
  /** Where datagrams are sent to; one below `port` unless given, as i2pd and Java I2P have it. */
  readonly udpPort?: number
  /** For bridges that ask who we are (Java I2P, SAM 3.2). */
  readonly user?: string
  /** A secret: never logged. */
  readonly password?: string
  /** Speak TLS to the bridge (Java I2P). */
  readonly tls?: BridgeTls
}

/** How to know the bridge behind TLS; its certificate is always checked. */
export interface BridgeTls {
  /** Certificate to trust, PEM; the system's authorities without it. Java I2P makes its own. */
  readonly ca?: string
  /** Name the certificate is for, when it is not the host. */
  readonly serverName?: string
}

/**
 * Reads `HOST:PORT`, such as `127.0.0.1:7656` or `[::1]:7656`.
 *
 * @throws {AlliumError} `BAD_INPUT` for anything else.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict"
 * import { parseBridgeAddress } from "allium/sam"
 * assert.deepEqual(parseBridgeAddress("[::1]:7656"), { host: "::1", port: 7656 })
 * ```
 */
export function parseBridgeAddress(text: string): BridgeAddress {
  const [, v6, name, digits] =
    /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/.exec(text) ?? []
  const host = v6 ?? name
  const port = Number(digits)
  if (host === undefined || !(port >= 1 && port <= 65_535))
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot read bridge address: is not HOST:PORT, expected one such as 127.0.0.1:7656",
    )
  return { host, port }
}

/** Where datagrams for this bridge go. */
export function udpPortOf(bridge: BridgeAddress): number {
  return bridge.udpPort ?? bridge.port - 1
}
