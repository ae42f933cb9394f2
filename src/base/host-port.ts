/**
 * Addresses of this machine, as people type them: `8080`, `127.0.0.1:8080`, `[::1]:8080`.
 *
 * @module
 */
import { isIP } from "node:net"
import { AlliumError } from "./errors.ts"

/** An address literal and a port: no name is ever looked up. */
export interface HostPort {
  /** IPv4 or IPv6 literal, without brackets. */
  readonly host: string
  /** 0 to 65535. */
  readonly port: number
}

/** What {@linkcode parseHostPort} allows. */
export interface HostPortRules {
  /** Addresses other than loopback too. */
  readonly allowLan?: boolean
  /** Port 0, for "any free one". */
  readonly allowAnyPort?: boolean
}

const FORMS = /^(?:(?:\[([0-9a-f:.]+)\]|([0-9a-z.]+)):)?(\d{1,5})$/i

/**
 * Reads an address of this machine; `localhost` is 127.0.0.1, and so is no host at all.
 *
 * @throws {AlliumError} `BAD_INPUT` for names, ports out of range, and addresses the rules forbid.
 */
export function parseHostPort(text: string, rules: HostPortRules = {}): HostPort {
  const [, inBrackets, bare, digits] = FORMS.exec(text) ?? []
  const named = inBrackets ?? bare ?? "127.0.0.1"
  const host = named.toLowerCase() === "localhost" ? "127.0.0.1" : named
  const port = Number(digits ?? Number.NaN)
  const portMin = rules.allowAnyPort === true ? 0 : 1
  if (isIP(host) !== (inBrackets === undefined ? 4 : 6) || !(port >= portMin && port <= 65_535))
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot use address: expected PORT, or HOST:PORT with an IP address or localhost",
    )
  if (rules.allowLan !== true && !isLoopback(host)) throw notLoopback()
  return { host, port }
}

function notLoopback(): AlliumError {
  const message = "Cannot use address: it is not of this machine, expected 127.0.0.1 or [::1]"
  return new AlliumError("BAD_INPUT", message)
}

/** An address literal that never leaves the machine: 127.0.0.0/8 or ::1. */
export function isLoopback(host: string): boolean {
  return isIP(host) === 4 ? host.startsWith("127.") : host === "::1"
}

/** As it stands in a URL: IPv6 in brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}
