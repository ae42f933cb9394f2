/**
 * What routers do differently where a SAM client can see it.
 *
 * `strict` follows the specification to the letter. The others follow what was measured on i2pd and read
 * in Java I2P's source. The time bombs of i2pd are not part of this: they are faults, switched one by one;
 * {@linkcode MEASURED_FAULTS} lists which router has which.
 *
 * @see https://geti2p.net/en/docs/api/samv3
 * @module
 */
import type { Fault } from "./knobs.ts"

/** Whom the bridge plays. */
export type RouterName = "strict" | "i2pd-2.45.1" | "i2pd-2.58" | "java"

/** Visible differences. */
export interface RouterTraits {
  readonly versionMin: number
  /** Minor version: 1 is SAM 3.1. */
  readonly versionMax: number
  /** `maxOrMin`: MAX when that is known, else MIN, as i2pd does; never something between. */
  readonly versionRule: "highest" | "maxOrMin"
  /** Answer to a HELLO without MIN and MAX. */
  readonly versionBare: number
  readonly styles: ReadonlySet<string>
  /** Styles of subsessions. */
  readonly addStyles: ReadonlySet<string>
  /** MASTER only after 3.3 was negotiated. */
  readonly masterNeeds33: boolean
  /** Whether the answer to SESSION ADD carries DESTINATION. */
  readonly addTellsDestination: boolean
  /** Whether a refused command closes its socket. */
  readonly errorsClose: boolean
  /** Ports reach subsessions and stand on the accept line (from 3.2). */
  readonly ports: boolean
  readonly selfConnect: "works" | "mute" | "refused"
  /** What a full backlog does to a CONNECT. */
  readonly backlogFull: "refused" | "closed"
  readonly backlogMax: number
  /** How long a stream that nobody accepts waits. */
  readonly backlogMs: number
  /** ACCEPT while FORWARD is on. */
  readonly acceptWhileForward: "refused" | "deaf"
  /** FORWARD dials HOST; otherwise the address the command came from. */
  readonly forwardHost: boolean
  readonly ping: "pong" | "pongAndClose" | "close"
  /** The router itself sends PING after three idle minutes, and hangs up without PONG after three more. */
  readonly serverPing: boolean
  /** HELP, QUIT, STOP, EXIT, AUTH and USER/PASSWORD. */
  readonly housekeeping: boolean
  readonly namingOptions: boolean
  /** Result of NAMING LOOKUP for a name nobody has. */
  readonly nameNotFound: "KEY_NOT_FOUND" | "INVALID_KEY"
  /** ME on a socket without a session: the router's shared destination. */
  readonly meWithoutSession: boolean
  /** SESSION STATUS has an empty DESTINATION for a private key of 813 bytes. */
  readonly longKeyEmpty: boolean
}

const BASIC_STYLES = ["STREAM", "DATAGRAM", "RAW"]

const strict: RouterTraits = {
  versionMin: 0,
  versionMax: 3,
  versionRule: "highest",
  versionBare: 3,
  styles: new Set([...BASIC_STYLES, "DATAGRAM2", "DATAGRAM3", "PRIMARY", "MASTER"]),
  addStyles: new Set([...BASIC_STYLES, "DATAGRAM2", "DATAGRAM3"]),
  masterNeeds33: false,
  addTellsDestination: true,
  errorsClose: false,
  ports: true,
  selfConnect: "works",
  backlogFull: "refused",
  backlogMax: 128,
  backlogMs: 60_000,
  acceptWhileForward: "refused",
  forwardHost: true,
  ping: "pong",
  serverPing: false,
  housekeeping: true,
  namingOptions: true,
  nameNotFound: "KEY_NOT_FOUND",
  meWithoutSession: false,
  longKeyEmpty: false,
}

const i2pdNew: RouterTraits = {
  ...strict,
  versionRule: "maxOrMin",
  versionBare: 0,
  styles: new Set([...BASIC_STYLES, "DATAGRAM2", "DATAGRAM3", "MASTER"]),
  addStyles: new Set(["STREAM"]),
  masterNeeds33: true,
  errorsClose: true,
  ports: false,
  selfConnect: "refused",
  backlogFull: "closed",
  backlogMax: 1024,
  backlogMs: 10_000,
  acceptWhileForward: "deaf",
  ping: "pongAndClose",
  housekeeping: false,
  namingOptions: false,
  nameNotFound: "INVALID_KEY",
  meWithoutSession: true,
}

const i2pdOld: RouterTraits = {
  ...i2pdNew,
  versionMax: 1,
  versionBare: 1,
  styles: new Set([...BASIC_STYLES, "MASTER"]),
  masterNeeds33: false,
  selfConnect: "mute",
  backlogMax: 128,
  forwardHost: false,
  ping: "close",
  longKeyEmpty: true,
}

const java: RouterTraits = {
  ...strict,
  styles: new Set([...BASIC_STYLES, "PRIMARY", "MASTER"]),
  addStyles: new Set(BASIC_STYLES),
  addTellsDestination: false,
  backlogMax: 64,
  serverPing: true,
}

/** Traits of every router we play. */
export const ROUTERS: Readonly<Record<RouterName, RouterTraits>> = {
  strict,
  java,
  "i2pd-2.45.1": i2pdOld,
  "i2pd-2.58": i2pdNew,
}

const bothI2pd: readonly Fault[] = [
  "wrongTopic",
  "tailLoss",
  "lateOk",
  "noBackpressure",
  "zombie",
  "stolenDestination",
  "staleLeaseSet",
  "pingKillsSession",
  "longLineHangs",
  "pipelineDrop",
  "lostEarlyBytes",
  "quotesKept",
  "nameNotFoundInvalidKey",
  "unpaddedRefused",
  "firstDatagramLost",
  "datagramCut",
]

/** The faults measured on each router: `new Set(MEASURED_FAULTS["i2pd-2.45.1"])` is the real thing. */
export const MEASURED_FAULTS: Readonly<Record<RouterName, readonly Fault[]>> = {
  strict: [],
  java: [],
  "i2pd-2.45.1": [...bothI2pd, "acceptDeaf", "addWithoutPortHangs"],
  "i2pd-2.58": [...bothI2pd, "acceptYoungClosed"],
}
