/**
 * One session at the bridge: a control socket, and a destination that lives as long as it.
 *
 * @see https://geti2p.net/en/docs/api/samv3#session
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import { encodeBase64 } from "./base64.ts"
import { contextOf, newSessionId, type SamContext, type SamOptions } from "./context.ts"
import {
  type Conversation,
  type Greeted,
  openConversation,
  type TakePayload,
} from "./conversation.ts"
import { deriveDestinationKeys } from "./derive.ts"
import type { Destination } from "./destination.ts"
import { readKeyFile } from "./private-keys.ts"
import type { RouterProfile } from "./profile.ts"
import { sessionRequest } from "./requests.ts"
import { type I2cpOptions, optionValues, type SessionStyle } from "./session-options.ts"
import { watchBridge } from "./watch-bridge.ts"
import { unlessAborted } from "./within.ts"

/** What a session shall be. */
export interface OpenSessionOptions extends SamOptions {
  /**
   * Private key file: 455 to 813 bytes, see {@linkcode readKeyFile}. `transient`: new keys made
   * here, always Ed25519, whatever the router would have made.
   */
  readonly keys: Uint8Array | "transient"
  /** `STREAM` unless given. */
  readonly style?: SessionStyle
  /** I2CP options over the defaults: three tunnels each way, modern encryption. */
  readonly i2cpOptions?: I2cpOptions
  /** SAM values of the style, such as PORT, HOST, PROTOCOL. */
  readonly values?: Iterable<readonly [string, string]>
  /** Takes datagrams which arrive on the control socket. */
  readonly takePayload?: TakePayload
  readonly signal: AbortSignal
}

/** A session that stands. Closing it closes its control socket, and with it the destination. */
export interface OpenedSession extends AsyncDisposable {
  readonly context: SamContext
  /** Random; tells nothing. */
  readonly id: string
  readonly destination: Destination
  readonly profile: RouterProfile
  /** The control socket: lookups through the session's own tunnels, subsessions, datagrams. */
  readonly control: Conversation
  /** Resolves, never rejects, when the session is over. */
  readonly closed: Promise<AlliumError>
}

/**
 * Opens a session: 3 to 15 s on new routers, 20 or 40 s on i2pd 2.45.1, as long as `signal` allows.
 * Meanwhile the bridge is asked now and then on another socket whether it lives.
 *
 * Never open the same keys within 10 s of closing them (a dead session, or a crashed router), nor
 * twice at once: `openSupervisedSession` sees to both, this function does not.
 *
 * @throws {AlliumError} `BAD_DESTINATION_KEYS`, `BAD_INPUT`, `DESTINATION_TAKEN`, `SESSION_NOT_SUPPORTED`,
 * `BRIDGE_UNREACHABLE`, `BRIDGE_SILENT`, `BRIDGE_REFUSED`, `BRIDGE_BAD_REPLY`, `BRIDGE_FAILED`, `ABORTED`,
 * `TIMED_OUT`.
 */
export async function openSession(options: OpenSessionOptions): Promise<OpenedSession> {
  const { takePayload, signal } = options
  const call = { signal, ...(takePayload && { takePayload }) }
  return createSession(await openConversation(contextOf(options), call), options)
}

/**
 * The second half of {@linkcode openSession}, after HELLO: only now the router learns of the keys.
 *
 * @param greeted - Taken over: closed with the session, or when there is none.
 */
export async function createSession(
  greeted: Greeted,
  options: OpenSessionOptions,
): Promise<OpenedSession> {
  const { conversation: control, profile } = greeted
  const context = contextOf(options)
  try {
    const { destination, privateKeyFile } = readKeys(options.keys, context)
    const id = newSessionId(context.random)
    const request = sessionRequest("CREATE", [
      ["STYLE", styleFor(options.style ?? "STREAM", profile)],
      ["ID", id],
      ["DESTINATION", encodeBase64(privateKeyFile)],
      ...(options.values ?? []),
      ...optionValues(options.i2cpOptions),
    ])
    const { signal } = options
    const reply = await whileAlive(control.ask(request, { signal }), context, signal)
    requireSameKeys(reply.privateKeyFile, destination)
    const dispose = async () => control.close()
    const { closed } = control
    return { context, id, destination, profile, control, closed, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    control.close()
    throw error
  }
}

/** The name of a style at this router. @throws {AlliumError} `SESSION_NOT_SUPPORTED`. */
export function styleFor(style: SessionStyle, profile: RouterProfile): string {
  if (style === "PRIMARY") return profile.primaryStyle
  if ((style === "DATAGRAM2" || style === "DATAGRAM3") && !profile.newDatagrams)
    throw new AlliumError(
      "SESSION_NOT_SUPPORTED",
      `Cannot open session: router speaks SAM ${profile.version}, expected 3.3 for ${style}`,
    )
  return style
}

function readKeys(keys: Uint8Array | "transient", { random }: SamContext) {
  if (keys === "transient") return deriveDestinationKeys(random(32))
  return { destination: readKeyFile(keys), privateKeyFile: keys }
}

/** Waits for minutes if need be, but not for a bridge that is dead with its sockets open. */
async function whileAlive<T>(
  answer: Promise<T>,
  context: SamContext,
  signal: AbortSignal,
): Promise<T> {
  const done = new AbortController()
  const dead = watchBridge(context, done.signal)
  try {
    return await unlessAborted(Promise.race([answer, dead]), signal)
  } finally {
    done.abort()
  }
}

/** i2pd 2.45.1 leaves DESTINATION empty when keys have an offline signature; others echo what they got. */
function requireSameKeys(echoed: Uint8Array | undefined, destination: Destination): void {
  if (echoed === undefined) return
  const head = echoed.subarray(0, destination.bytes.length)
  if (Buffer.compare(head, destination.bytes) === 0) return
  const found = "router opened another destination, expected the one of our keys"
  throw new AlliumError("BRIDGE_BAD_REPLY", `Cannot open session: ${found}`)
}
