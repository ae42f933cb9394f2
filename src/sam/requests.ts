/**
 * Every SAM command as a value: the line to write, and how to read its reply. No IO.
 *
 * @see https://geti2p.net/en/docs/api/samv3
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import { decodeBase64 } from "./base64.ts"
import { type Destination, parseDestination } from "./destination.ts"
import { formatSamLine, parseSamLine, type SamLine } from "./message.ts"
import { profileOf, type RouterProfile } from "./profile.ts"
import { asksForEncryption } from "./reader-keys.ts"
import { redactSamLine } from "./redact.ts"
import { failure, type ResultCodes } from "./results.ts"

/** One question and how to understand the answer. */
export interface SamRequest<T> {
  /** Without its end; `undefined` when we only listen. A secret in the case of SESSION CREATE. */
  readonly line: string | undefined
  /** What we want, for errors: "Cannot open session: …". */
  readonly deed: string
  /**
   * What follows a good reply: `stream`, the socket becomes one; `hold`, a line for the next question;
   * else nothing that belongs to this question.
   */
  readonly after?: "stream" | "hold" | undefined
  /** Takes one line. @throws {AlliumError} what the router said, or `BRIDGE_BAD_REPLY`. */
  readonly read: (line: string) => T
}

type Values = Iterable<readonly [string, string]>

/** SAM 3.1 to 3.3; i2pd 2.45.1 falls back to MIN, so MIN is what it knows. */
export function helloRequest(login: {
  user?: string | undefined
  password?: string | undefined
}): SamRequest<RouterProfile> {
  const values: [string, string][] = [
    ["MIN", "3.1"],
    ["MAX", "3.3"],
  ]
  if (login.user !== undefined) values.push(["USER", login.user])
  if (login.password !== undefined) values.push(["PASSWORD", login.password])
  // Bridges that ask for a password read quotes; the others are not sent one.
  const line = formatSamLine("HELLO", "VERSION", values, { quoting: true })
  return request({
    line,
    deed: "speak to SAM bridge",
    topic: "HELLO REPLY",
    codes: { I2P_ERROR: "BRIDGE_REFUSED" },
    read: (reply) => profileOf(reply.values.get("VERSION") ?? ""),
  })
}

/** What SESSION CREATE and ADD answer: the private key file, where the router gives it (not everyone does). */
export interface SessionReply {
  readonly privateKeyFile: Uint8Array | undefined
}

/** @param values - STYLE, ID, DESTINATION and options, in order. */
export function sessionRequest(deed: "CREATE" | "ADD" | "REMOVE", values: Values) {
  const all = [...values]
  // Routers that cannot encrypt a LeaseSet must not open the session without: everybody would find it.
  const isEncrypted = asksForEncryption(new Map(all))
  const unknownKey = deed === "REMOVE" ? "SESSION_LOST" : "BAD_DESTINATION_KEYS"
  return request<SessionReply>({
    line: formatSamLine("SESSION", deed, all),
    deed: deed === "REMOVE" ? "remove subsession" : "open session",
    topic: "SESSION STATUS",
    codes: { INVALID_KEY: unknownKey, ...(isEncrypted && { I2P_ERROR: "SESSION_NOT_SUPPORTED" }) },
    read: (reply) => ({ privateKeyFile: readKeys(reply.values.get("DESTINATION") ?? "") }),
  })
}

/**
 * A stream to a peer; the socket is the stream after OK.
 *
 * @param codes - What results mean for this kind of target.
 */
export function connectRequest(values: Values, codes: ResultCodes = {}): SamRequest<void> {
  const line = formatSamLine("STREAM", "CONNECT", values)
  return streamRequest(line, "connect to peer", { after: "stream", codes })
}

/** Begins to wait for a stream; {@linkcode arrivalRequest} follows on the same socket. */
export function acceptRequest(id: string): SamRequest<void> {
  const line = formatSamLine("STREAM", "ACCEPT", [
    ["ID", id],
    ["SILENT", "false"],
  ])
  return streamRequest(line, "accept streams", { after: "hold" })
}

/** Has the router connect to us for every stream. */
export function forwardRequest(values: Values): SamRequest<void> {
  return streamRequest(formatSamLine("STREAM", "FORWARD", values), "forward streams")
}

/** Who arrived: the first line of an accepted or forwarded stream. */
export interface Arrival {
  readonly peer: Destination
  readonly fromPort: number | undefined
  readonly toPort: number | undefined
}

/**
 * Listens for the line which says who connected. An error line in its place means that the session is
 * dead; the socket is the stream after it.
 */
export function arrivalRequest(): SamRequest<Arrival> {
  return { line: undefined, deed: "accept stream", after: "stream", read: readArrival }
}

/** Asks for a destination by name; `ME` is the session's own, on its control socket. */
export function lookupRequest(name: string): SamRequest<Destination> {
  return request({
    line: formatSamLine("NAMING", "LOOKUP", [["NAME", name]]),
    deed: "look up name",
    topic: "NAMING REPLY",
    // i2pd says INVALID_KEY for whatever it does not find, Java I2P one of the others.
    codes: { INVALID_KEY: "NAME_NOT_FOUND", LEASESET_NOT_FOUND: "NAME_NOT_FOUND" },
    read: (reply) => readDestinationValue(reply.values.get("VALUE") ?? ""),
  })
}

/** Always Ed25519: without the type routers make DSA keys, and others can crash them. */
export function generateRequest(): SamRequest<Uint8Array> {
  return request({
    line: formatSamLine("DEST", "GENERATE", [["SIGNATURE_TYPE", "7"]]),
    deed: "generate destination",
    topic: "DEST REPLY",
    mute: true,
    read: (reply) => readKeys(reply.values.get("PRIV") ?? "") ?? missing("PRIV", "DEST REPLY"),
  })
}

/** Reads `DESTINATION[ FROM_PORT=n TO_PORT=n]`. @throws {AlliumError} `SESSION_LOST`, `BRIDGE_BAD_REPLY`. */
function readArrival(line: string): Arrival {
  const [word = ""] = line.split(" ", 1)
  if (word === "STREAM" || word === "SESSION") throw deadSession(line)
  const peer = readDestinationValue(word)
  const port = (name: string): number | undefined => {
    const digits = new RegExp(` ${name}=(\\d{1,5})(?: |$)`).exec(line)?.[1]
    return digits === undefined ? undefined : Number(digits)
  }
  return { peer, fromPort: port("FROM_PORT"), toPort: port("TO_PORT") }
}

function streamRequest(
  line: string,
  deed: string,
  more: { after?: "stream" | "hold"; codes?: ResultCodes } = {},
): SamRequest<void> {
  return request<void>({ line, deed, ...more, topic: "STREAM STATUS", read: () => {} })
}

function request<T>(plan: {
  line: string
  deed: string
  topic: string
  codes?: ResultCodes
  after?: "stream" | "hold" | undefined
  /** The reply has no RESULT when all is well. */
  mute?: boolean
  read: (reply: SamLine) => T
}): SamRequest<T> {
  const { line, deed, topic, after } = plan
  const read = (text: string): T => {
    const reply = parseReply(text, deed)
    const shown = redactSamLine(line)
    const result = reply.values.get("RESULT") ?? (plan.mute ? "OK" : undefined)
    // i2pd answers some STREAM commands with SESSION STATUS: an error is an error whatever its topic.
    if (result !== undefined && result !== "OK")
      throw failure(reply, { deed, shown, ...(plan.codes && { codes: plan.codes }) })
    if (`${reply.command} ${reply.subcommand}` !== topic || result === undefined)
      throw badReply(deed, `got ${redactSamLine(text)} to ${shown}, expected ${topic} RESULT=OK`)
    return plan.read(reply)
  }
  return { line, deed, after, read }
}

function parseReply(text: string, deed: string): SamLine {
  try {
    return parseSamLine(text)
  } catch (cause) {
    throw badReply(deed, `got ${redactSamLine(text)}, expected a SAM reply`, cause)
  }
}

function readKeys(base64: string): Uint8Array | undefined {
  if (base64 === "") return undefined
  try {
    return decodeBase64(base64)
  } catch (cause) {
    throw badReply(
      "open session",
      "got keys that are no base64, expected a private key file",
      cause,
    )
  }
}

function readDestinationValue(base64: string): Destination {
  try {
    return parseDestination(base64)
  } catch (cause) {
    throw badReply("read destination", "got something else from the router, expected one", cause)
  }
}

function deadSession(line: string): AlliumError {
  const found = `got ${redactSamLine(line)} instead of a destination, expected a peer`
  return new AlliumError("SESSION_LOST", `Cannot accept stream: ${found}`)
}

function missing(key: string, topic: string): never {
  throw badReply("generate destination", `got ${topic} without ${key}, expected one`)
}

function badReply(deed: string, found: string, cause?: unknown): AlliumError {
  return new AlliumError("BRIDGE_BAD_REPLY", `Cannot ${deed}: ${found}`, { cause })
}
