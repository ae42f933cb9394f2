/**
 * What can go wrong on a link, and how it is told to the other side.
 *
 * @see docs/protocol/link.md#codes
 * @module
 */
import type { ErrorCode } from "../base/error-codes.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"

/** Codes of a RESET frame. An unknown one is read as `cancelled`. */
export const RESET = { cancelled: 1, refused: 2, badProtocol: 3, busy: 4 } as const
/** Codes of a CLOSE frame. An unknown one is read as `protocol`. */
export const CLOSE = { done: 0, protocol: 1, gone: 2 } as const

const RESET_REASONS: ReadonlyMap<number, string> = new Map([
  [RESET.cancelled, "the other side gave it up"],
  [RESET.refused, "the other side takes no more channels now"],
  [RESET.badProtocol, "the other side does not serve this protocol"],
  [RESET.busy, "the other side is busy"],
])

/** The peer broke the protocol: `LINK_PROTOCOL`. */
export function linkProtocolError(found: string, expected = "what docs/protocol/link.md allows") {
  return new AlliumError("LINK_PROTOCOL", `Cannot go on: ${found}, expected ${expected}`)
}

/** The link is over, not by our wish: `LINK_LOST`. */
export function linkLostError(found: string, cause?: unknown): AlliumError {
  return new AlliumError("LINK_LOST", `Cannot go on: ${found}`, { cause })
}

/** What a channel's owner sees when the peer resets it: `CHANNEL_RESET`. */
export function channelResetError(code: number): AlliumError {
  const reason = RESET_REASONS.get(code) ?? RESET_REASONS.get(RESET.cancelled)
  return new AlliumError("CHANNEL_RESET", `Cannot go on with channel: ${reason}`)
}

/** What `delivered` says when our own side destroyed the channel before its end. */
export function channelStoppedError(): AlliumError {
  const message = "Cannot deliver: the channel was destroyed on this side before its end"
  return new AlliumError("CHANNEL_RESET", message)
}

/** Code to tell the peer when our side destroys a channel with `error`. */
export function resetCodeOf(error: unknown): number {
  if (isAlliumError(error, "BAD_PROTOCOL")) return RESET.badProtocol
  if (isAlliumError(error, "BUSY")) return RESET.busy
  return RESET.cancelled
}

/** A refusal made here and now, about the call itself. */
export function cannotOpen(code: ErrorCode, found: string): AlliumError {
  return new AlliumError(code, `Cannot open channel: ${found}`)
}
