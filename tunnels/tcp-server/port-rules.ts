/**
 * Which port of a destination leads where.
 *
 * @module
 */
import { AlliumError } from "allium/tunnel"

/** One rule: `port` is 0 to 65535, or `any`; `target` as it was typed, or `refuse`. */
export interface PortRule {
  readonly port: number | "any"
  readonly target: string
}

/**
 * Reads `80 -> 127.0.0.1:8080`, `443 -> unix:/run/x`, `* -> refuse`; a target without an arrow is for every port.
 *
 * @throws {AlliumError} `BAD_INPUT`.
 */
export function parsePortRule(text: string): PortRule {
  const [, port, target] = /^\s*(\*|\d{1,5})\s*->\s*(\S.*?)\s*$/.exec(text) ?? []
  if (port === undefined || target === undefined) {
    if (text.includes("->")) throw badRule()
    return { port: "any", target: text.trim() }
  }
  if (Number(port) > 65_535) throw badRule()
  return { port: port === "*" ? "any" : Number(port), target }
}

/** The first rule for a port; a stream that names none has port 0. */
export function ruleFor<R extends Pick<PortRule, "port">>(
  rules: readonly R[],
  port: number,
): R | undefined {
  return rules.find((rule) => rule.port === "any" || rule.port === port)
}

function badRule(): AlliumError {
  const message = "Cannot read rule: expected PORT -> TARGET, with * for every port"
  return new AlliumError("BAD_INPUT", message)
}
