/**
 * Subsessions: several styles or ports on one destination (SAM 3.3).
 *
 * i2pd takes them and ignores their ports: what arrives comes to the default subsession, whichever was
 * meant. So tell services apart inside the stream, and use subsessions for datagrams on Java I2P only.
 *
 * @see https://geti2p.net/en/docs/api/samv3#primary
 * @module
 */
import type { AlliumError } from "../base/errors.ts"
import { isAlliumError } from "../base/errors.ts"
import { newSessionId } from "./context.ts"
import type { Destination } from "./destination.ts"
import { type OpenedSession, styleFor } from "./open-session.ts"
import type { RouterProfile } from "./profile.ts"
import { sessionRequest } from "./requests.ts"
import type { SessionStyle } from "./session-options.ts"
import type { StreamSession } from "./stream.ts"

const ADD_TIMEOUT_MS = 120_000

/** What a subsession shall be. */
export interface SubsessionOptions {
  readonly style: Exclude<SessionStyle, "PRIMARY">
  /** Port of ours, 0 to 65535; 0 takes whatever no other subsession takes. */
  readonly fromPort?: number
  /** Port streams go to unless said otherwise. */
  readonly toPort?: number
  /** More SAM values, such as LISTEN_PORT, PORT, HOST, PROTOCOL. */
  readonly values?: Iterable<readonly [string, string]>
  readonly signal: AbortSignal
}

/** A part of a primary session. Closing it removes it; the primary stays. */
export interface Subsession extends StreamSession, AsyncDisposable {
  readonly destination: Destination
  readonly profile: RouterProfile
  /** Resolves when the primary is over, and the subsession with it. */
  readonly closed: Promise<AlliumError>
}

/**
 * Adds a subsession to a session opened with style `PRIMARY`. FROM_PORT is always sent: without it
 * i2pd 2.45.1 never answers again.
 *
 * @throws {AlliumError} `SESSION_NOT_SUPPORTED`, `BRIDGE_FAILED`, … After a refusal i2pd closes the
 * primary as well.
 */
export async function addSubsession(
  primary: OpenedSession,
  options: SubsessionOptions,
): Promise<Subsession> {
  const { context, destination, profile, control, closed } = primary
  const { style, fromPort = 0, toPort = 0, values = [], signal } = options
  const id = newSessionId(context.random)
  const request = sessionRequest("ADD", [
    ["STYLE", styleFor(style, profile)],
    ["ID", id],
    ["FROM_PORT", String(fromPort)],
    ["TO_PORT", String(toPort)],
    ...values,
  ])
  await control.ask(request, { signal, timeoutMs: ADD_TIMEOUT_MS })
  const dispose = () => removeSubsession(primary, id)
  return { context, destination, profile, id, closed, [Symbol.asyncDispose]: dispose }
}

/** Gone already is as good as removed. */
async function removeSubsession({ control }: OpenedSession, id: string): Promise<void> {
  const { signal } = new AbortController()
  const request = sessionRequest("REMOVE", [["ID", id]])
  try {
    await control.ask(request, { signal, timeoutMs: ADD_TIMEOUT_MS })
  } catch (error) {
    if (!isAlliumError(error, "SESSION_LOST", "SESSION_CLOSED", "BRIDGE_UNREACHABLE")) throw error
  }
}
