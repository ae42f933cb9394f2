/**
 * SESSION CREATE, ADD and REMOVE.
 *
 * @module
 */
import type { SamLine } from "../sam/message.ts"
import type { BridgeContext, Caller } from "./context.ts"
import type { Endpoint } from "./endpoint.ts"
import { type BridgeKeys, checkKeys, generateKeys, parseSignatureType } from "./keys.ts"
import { formatReply, refuse } from "./replies.ts"
import type { BridgeSession } from "./session.ts"
import { describeSession, makeSession, type SessionShape } from "./session-shape.ts"

/** Private key files of this many bytes do not fit i2pd 2.45.1's reply. */
const LONG_KEY_CHARACTERS = 1084
const ID_CHARACTERS_MAX = 256

type Refusal = { RESULT: string; MESSAGE?: string | undefined }

/** SESSION CREATE: makes or checks the keys, waits as long as the knob says, brings the session up. */
export async function createSession(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const wish = readWish(caller, line, context)
  if ("RESULT" in wish) return refuse(caller, context, "SESSION", wish)
  const release = context.sessions.reserve(wish.id)
  if (release === undefined)
    return refuse(caller, context, "SESSION", { RESULT: "I2P_ERROR", MESSAGE: "too many sessions" })
  try {
    await openSession(caller, wish, context)
  } finally {
    release()
  }
}

interface Wish {
  id: string
  shape: SessionShape
  keys: BridgeKeys
}

function readWish(caller: Caller, line: SamLine, context: BridgeContext): Wish | Refusal {
  const id = line.values.get("ID") ?? ""
  const problem = idProblem(id, context)
  if (problem !== undefined) return problem
  if (caller.session !== undefined)
    return { RESULT: "I2P_ERROR", MESSAGE: "session already exists on this connection" }
  const shape = describeSession(line, context.traits.styles)
  if (typeof shape === "string") return { RESULT: "I2P_ERROR", MESSAGE: shape }
  if (shape.isPrimary && context.traits.masterNeeds33 && caller.version < 3)
    return { RESULT: "I2P_ERROR", MESSAGE: "Unknown STYLE" }
  const keys = readKeys(line, context)
  return "RESULT" in keys ? keys : { id, shape, keys }
}

function idProblem(id: string, { sessions, traits }: BridgeContext): Refusal | undefined {
  if (sessions.has(id)) return { RESULT: "DUPLICATED_ID" }
  const isFine = /^[^\s<>"'/]+$/.test(id) && id.length <= ID_CHARACTERS_MAX
  if (isFine) return undefined
  return traits.errorsClose
    ? { RESULT: "INVALID_ID" }
    : { RESULT: "I2P_ERROR", MESSAGE: "ID missing or unfit" }
}

function readKeys(line: SamLine, { random, knobs }: BridgeContext): BridgeKeys | Refusal {
  const text = line.values.get("DESTINATION") ?? ""
  if (text !== "TRANSIENT")
    return checkKeys(text, knobs.faults.has("unpaddedRefused")) ?? { RESULT: "INVALID_KEY" }
  const type = parseSignatureType(line.values.get("SIGNATURE_TYPE"))
  if (type === undefined) return { RESULT: "I2P_ERROR", MESSAGE: "SIGNATURE_TYPE unsupported" }
  return generateKeys(type, random)
}

async function openSession(caller: Caller, wish: Wish, context: BridgeContext): Promise<void> {
  const { network, sessions, knobs, clock } = context
  const endpoint = network.attach(wish.keys.destination)
  if (endpoint === undefined)
    return refuse(caller, context, "SESSION", { RESULT: "DUPLICATED_DEST" })
  caller.signal.addEventListener("abort", () => network.detach(endpoint), { once: true })
  if (knobs.sessionCreateMs > 0) await clock.sleep(knobs.sessionCreateMs, { signal: caller.signal })
  if (caller.signal.aborted) return network.detach(endpoint)
  const session = makeSession(wish.id, wish.shape, { caller, endpoint, context })
  own(caller, session, context)
  sessions.add(session)
  note(session, endpoint, context)
  const key = wish.keys.privateBase64
  const isTooLong = context.traits.longKeyEmpty && key.length === LONG_KEY_CHARACTERS
  await caller.reply(
    formatReply("SESSION", "STATUS", { RESULT: "OK", DESTINATION: isTooLong ? "" : key }),
  )
  caller.keys = key
}

/** The session lives as long as its control socket. */
function own(caller: Caller, session: BridgeSession, { sessions }: BridgeContext): void {
  caller.session = session
  caller.signal.addEventListener("abort", () => sessions.remove(session), { once: true })
}

function note(session: BridgeSession, endpoint: Endpoint, context: BridgeContext): void {
  const { id, style, connection } = session
  const destinationB32 = endpoint.destination.b32
  context.record.add({ at: context.clock.now(), id, style, destinationB32, connection })
  context.log.info("session.created", { style, connection })
}

/** SESSION ADD: a subsession that shares its PRIMARY's destination. */
export async function addSession(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const { traits, sessions, knobs } = context
  const hangs = knobs.faults.has("addWithoutPortHangs") && !line.values.has("FROM_PORT")
  if (hangs) return caller.fallSilent()
  const parent = caller.session
  const refusal = addRefusal(parent, line, context)
  if (refusal !== undefined || parent === undefined)
    return refuse(caller, context, "SESSION", refusal ?? { RESULT: "I2P_ERROR" })
  const id = line.values.get("ID") ?? ""
  const shape = describeSession(line, traits.addStyles)
  if (typeof shape === "string")
    return refuse(caller, context, "SESSION", { RESULT: "I2P_ERROR", MESSAGE: shape })
  const taken = sessions
    .childrenOf(parent)
    .some(
      ({ listener, receiver, style }) =>
        style === shape.style && ((listener ?? receiver)?.port ?? 0) === (shape.listenPort ?? 0),
    )
  if (taken && traits.ports)
    return refuse(caller, context, "SESSION", {
      RESULT: "I2P_ERROR",
      MESSAGE: "duplicate style and port",
    })
  sessions.add(makeSession(id, shape, { caller, endpoint: parent.endpoint, context, parent }))
  await caller.reply(
    formatReply("SESSION", "STATUS", {
      RESULT: "OK",
      ...addedValues(caller, id, traits.addTellsDestination),
    }),
  )
}

function addRefusal(
  parent: BridgeSession | undefined,
  line: SamLine,
  context: BridgeContext,
): Refusal | undefined {
  if (parent === undefined || !isPrimary(parent))
    return { RESULT: "I2P_ERROR", MESSAGE: "not a PRIMARY session" }
  if (line.values.has("DESTINATION"))
    return { RESULT: "I2P_ERROR", MESSAGE: "a subsession has no DESTINATION of its own" }
  if (context.sessions.full) return { RESULT: "I2P_ERROR", MESSAGE: "too many sessions" }
  return idProblem(line.values.get("ID") ?? "", context)
}

function addedValues(caller: Caller, id: string, tellsDestination: boolean) {
  return tellsDestination ? { DESTINATION: caller.keys } : { ID: id, MESSAGE: `ADD ${id}` }
}

/** SESSION REMOVE: ends a subsession; the PRIMARY stays. */
export async function removeSession(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const id = line.values.get("ID")
  const session = context.sessions.find(id)
  if (session === undefined || caller.session === undefined || session.parent !== caller.session)
    return refuse(caller, context, "SESSION", {
      RESULT: context.traits.errorsClose ? "INVALID_KEY" : "I2P_ERROR",
      MESSAGE: "no such subsession",
    })
  context.sessions.remove(session)
  const values = addedValues(caller, session.id, context.traits.addTellsDestination)
  await caller.reply(formatReply("SESSION", "STATUS", { RESULT: "OK", ...values }))
}

function isPrimary({ style }: BridgeSession): boolean {
  return style === "PRIMARY" || style === "MASTER"
}
