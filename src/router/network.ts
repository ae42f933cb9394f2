/**
 * Which network this router stands on, and the SAM bridge that leads there.
 *
 * Real I2P is found or started; the embedded network is used only when it was asked for by name, and
 * never taken for I2P.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { openOrJoinEmbedded } from "../bridge/join.ts"
import type { BridgeAddress } from "../sam/bridge-address.ts"
import { probeBridge } from "./ask-bridge.ts"
import { findI2pd, openI2pdChild } from "./i2pd-child.ts"

/** Where SAM listens by default. */
export const SAM_DEFAULT: BridgeAddress = { host: "127.0.0.1", port: 7656 }
/** Where the embedded network is opened or joined by default. */
export const EMBEDDED_DEFAULT: BridgeAddress = { host: "127.0.0.1", port: 17_656 }
/** A bridge of this machine answers HELLO in milliseconds; a hung one must not hold up the start. */
const PROBE_MS = 2_000
/** Before a session is opened there is time: a router that is busy starting took a second. */
const CHECK_MS = 5_000

/** What a user may ask for. */
export const NETWORK_CHOICES = ["auto", "sam", "i2pd", "embedded"] as const
/** See {@linkcode NETWORK_CHOICES}. */
export type NetworkChoice = (typeof NETWORK_CHOICES)[number]

/** The network at hand. */
export interface Network extends AsyncDisposable {
  readonly kind: "sam" | "i2pd" | "embedded"
  /** `false` on the embedded network: said loudly wherever people look. */
  readonly anonymous: boolean
  /** `127.0.0.1:7656`. */
  readonly bridgeName: string
  /**
   * The bridge to open the next session on; checked to be what it should be.
   * @throws {AlliumError} `BRIDGE_UNREACHABLE`, `EMBEDDED_NOT_ASKED`.
   */
  bridge(): Promise<BridgeAddress>
  /** Whether the bridge answered when it was last asked; asked before each session, and at the start. */
  readonly answers: boolean
  /** Restarts of our own i2pd so far; `undefined` without one. */
  readonly i2pdRestarts: number | undefined
}

/** What {@linkcode openNetwork} needs. */
export interface NetworkOptions {
  readonly choice: NetworkChoice
  /** The SAM bridge, or where the embedded network is to be opened or joined. */
  readonly sam?: BridgeAddress | undefined
  /** Folder of an i2pd of our own. */
  readonly i2pdFolder: string
  readonly i2pdExtraConfig?: string | undefined
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Finds or starts the network. `sam` does not wait for the bridge: sessions come up when it does.
 *
 * @throws {AlliumError} `NO_NETWORK` when `auto` finds nothing, `I2PD_MISSING`, `I2PD_FAILED`,
 * `EMBEDDED_NOT_ASKED`, `EMBEDDED_PORT_TAKEN`.
 */
export async function openNetwork(options: NetworkOptions): Promise<Network> {
  switch (options.choice) {
    case "embedded":
      return openEmbedded(options)
    case "sam":
      return openBridgeNetwork(options.sam ?? SAM_DEFAULT, options)
    case "i2pd":
      return openI2pd(options)
    case "auto":
      return findNetwork(options)
  }
}

async function findNetwork(options: NetworkOptions): Promise<Network> {
  const sam = options.sam ?? SAM_DEFAULT
  const network = await openBridgeNetwork(sam, options)
  if (network.answers) return network
  if ((await findI2pd()) !== undefined) return openI2pd(options)
  throw new AlliumError(
    "NO_NETWORK",
    `Cannot find I2P: no SAM bridge at ${nameOf(sam)} and no i2pd on this machine`,
  )
}

async function requireI2p(
  sam: BridgeAddress,
  call: { signal: AbortSignal; patienceMs: number },
): Promise<void> {
  const { embedded } = await probeBridge(sam, call)
  if (!embedded) return
  throw new AlliumError(
    "EMBEDDED_NOT_ASKED",
    `Cannot use ${nameOf(sam)} as I2P: an embedded network listens there, which is not anonymous`,
  )
}

/** Asks the bridge once; one that does not answer may come later, an embedded one is refused at once. */
async function openBridgeNetwork(sam: BridgeAddress, { signal }: NetworkOptions): Promise<Network> {
  let answers = false
  const ask = async (patienceMs: number) => {
    answers = false
    await requireI2p(sam, { signal, patienceMs })
    answers = true
  }
  await ask(PROBE_MS).catch((error: unknown) => {
    if (isAlliumError(error, "EMBEDDED_NOT_ASKED") || signal.aborted) throw error
  })
  return {
    kind: "sam",
    anonymous: true,
    bridgeName: nameOf(sam),
    get answers() {
      return answers
    },
    i2pdRestarts: undefined,
    async bridge() {
      await ask(CHECK_MS)
      return sam
    },
    async [Symbol.asyncDispose]() {},
  }
}

async function openI2pd(options: NetworkOptions): Promise<Network> {
  const program = await findI2pd()
  if (program === undefined)
    throw new AlliumError("I2PD_MISSING", "Cannot start i2pd: it is not installed on this machine")
  const { i2pdFolder: folder, i2pdExtraConfig, clock, chance, log } = options
  const extra = i2pdExtraConfig === undefined ? {} : { extraConfig: i2pdExtraConfig }
  const child = await openI2pdChild({ program, folder, clock, chance, log, ...extra })
  const sam = { host: "127.0.0.1", port: child.samPort }
  return {
    kind: "i2pd",
    anonymous: true,
    bridgeName: nameOf(sam),
    get answers() {
      return child.processId !== undefined
    },
    get i2pdRestarts() {
      return child.restarts
    },
    bridge: async () => sam,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}

async function openEmbedded(options: NetworkOptions): Promise<Network> {
  const { clock, chance, random, log, sam = EMBEDDED_DEFAULT } = options
  const { host, port } = sam
  const embedded = await openOrJoinEmbedded({ host, port, clock, chance, random, log })
  return {
    kind: "embedded",
    anonymous: false,
    bridgeName: nameOf(embedded.address),
    answers: true,
    i2pdRestarts: undefined,
    bridge: async () => embedded.address,
    [Symbol.asyncDispose]: () => embedded[Symbol.asyncDispose](),
  }
}

function nameOf({ host, port }: BridgeAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`
}
