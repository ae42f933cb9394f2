/**
 * Every limit of a link, with its reason. `docs/limits.md` repeats them.
 *
 * @module
 */

/** Payload of one frame: small enough that a message never waits behind more than this of a file. */
export const FRAME_BYTES_MAX = 16_384
/** A receiver says what it has at least this often, so that the sender's kept bytes stay few. */
export const ACK_EVERY_BYTES = 65_536
/** What link frames (not data) may add to the bytes kept for resumption before the peer is at fault. */
export const CONTROL_RESERVE_BYTES = 262_144
/** Sum of unused credit on one channel; more is a peer who cannot count. */
export const CREDIT_BYTES_MAX = 1_048_576
/** Links beside the one between two, that either may dial. One stream carries 40 to 60 kB/s at 300 ms on i2pd 2.45.1, eight carry 1,100. */
export const LANES_MAX = 8
/** Refusals, resets and pings a peer may cause at once, and how many more each second. */
export const NUISANCE = { burst: 1_024, perSecond: 32 } as const

/** What the two owners of a link may choose. */
export interface LinkLimits {
  /** Channels open at once, from each side; the slot is free again when both ends are acknowledged. */
  readonly channelsMax: number
  /** Channels the peer opened that nobody has taken yet; beyond, they are refused. */
  readonly incomingMax: number
  /** Bytes a channel may have on the way or unread, once it is running; 64 KiB to 1 MiB. */
  readonly windowBytes: number
  /** The same before the first credit arrives, and while the link's budget is spent. */
  readonly firstWindowBytes: number
  /** Credit given and not yet used up by the application, over all channels, beyond the first windows. */
  readonly budgetBytes: number
  /** Bytes sent and not yet acknowledged, kept to be sent again on a new stream. */
  readonly keptBytes: number
  /** From the first byte to the proof of who is there: CONNECT's OK means nothing, this is the connect. */
  readonly handshakeMs: number
  /** Handshakes an acceptor answers at once; beyond, streams are closed. */
  readonly handshakesMax: number
  /** Between two pings; i2pd closes a stream that is silent for an hour. Dead after two unanswered. */
  readonly heartbeatMs: number
  /** How long a graceful close waits for open channels. */
  readonly drainMs: number
  /** How long a link without a stream waits to be resumed. */
  readonly resumeMs: number
}

/** Defaults; together at most 24 MiB unread and 2.25 MiB kept for one link. */
export const LINK_LIMITS: LinkLimits = {
  channelsMax: 256,
  incomingMax: 64,
  windowBytes: 262_144,
  firstWindowBytes: 65_536,
  budgetBytes: 8_388_608,
  keptBytes: 2_097_152,
  handshakeMs: 60_000,
  handshakesMax: 64,
  heartbeatMs: 30_000,
  drainMs: 30_000,
  resumeMs: 300_000,
}

/** A lane carries bulk: a round trip of the best stream there is (i2pd 2.56, 3 MB/s at 300 ms) must fit. */
export const LANE_LIMITS = {
  windowBytes: CREDIT_BYTES_MAX,
  firstWindowBytes: 262_144,
} as const satisfies Partial<LinkLimits>

/** Smallest and largest value of each limit; what goes on the wire must also fit its field. */
const RANGES: { readonly [K in keyof LinkLimits]: readonly [number, number] } = {
  channelsMax: [1, 65_535],
  incomingMax: [1, 65_535],
  windowBytes: [FRAME_BYTES_MAX, CREDIT_BYTES_MAX],
  firstWindowBytes: [1, CREDIT_BYTES_MAX],
  budgetBytes: [0, 2 ** 30],
  keptBytes: [2 * ACK_EVERY_BYTES, 2 ** 30],
  handshakeMs: [1, 600_000],
  handshakesMax: [1, 65_535],
  heartbeatMs: [1, 1_800_000],
  drainMs: [0, 600_000],
  resumeMs: [0, 86_400_000],
}

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} When a value is not a whole number in its range, or the first window is larger
 * than the window.
 */
export function completeLimits(chosen: Partial<LinkLimits> = {}): LinkLimits {
  const limits = { ...LINK_LIMITS, ...chosen }
  for (const name of Object.keys(RANGES) as (keyof LinkLimits)[]) {
    const [least, most] = RANGES[name]
    const value = limits[name]
    if (!Number.isInteger(value) || value < least || value > most)
      throw new RangeError(
        `Cannot use ${name} = ${value}: expected a whole number, ${least} to ${most}`,
      )
  }
  const firstWindowBytes = Math.min(limits.firstWindowBytes, limits.windowBytes)
  return { ...limits, firstWindowBytes }
}
