/**
 * Errors a program can act on and a person can read.
 *
 * Every expected failure is an {@linkcode AlliumError}: a stable code from {@linkcode ERROR_CODES},
 * and one sentence, "Cannot <do X>: <state found>, expected <state>". Secrets never stand in it.
 *
 * @module
 */
import { ERROR_CODES, type ErrorCode } from "./error-codes.ts"

/** Code of a stranger's plugin; it is treated as a plain failure. */
export type PluginErrorCode = `PLUGIN_${string}`

/** An expected failure. Misuse by the programmer is a `TypeError` or `RangeError` instead. */
export class AlliumError extends Error {
  override readonly name = "AlliumError"
  readonly code: ErrorCode | PluginErrorCode

  /**
   * @param code - Stable name, see `docs/reference/errors.md`.
   * @param message - "Cannot send file: disk is full, expected 3 MiB free". No secrets, no full stop.
   * @param options - `cause`: what was caught; it is kept for the log and never shown over the API.
   */
  constructor(code: ErrorCode | PluginErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  /** How the failure shows at the doors: HTTP status, exit code, and what the person may do next. */
  get outcome(): { status: number; exit: number; next?: string } {
    return this.code in ERROR_CODES ? ERROR_CODES[this.code as ErrorCode] : { status: 500, exit: 1 }
  }
}

/** True when `error` is an {@linkcode AlliumError}, with one of `codes` if any are given. */
export function isAlliumError(error: unknown, ...codes: ErrorCode[]): error is AlliumError {
  if (!(error instanceof AlliumError)) return false
  return codes.length === 0 || codes.includes(error.code as ErrorCode)
}

/** Brings whatever was thrown into one shape; what nobody expected becomes `INTERNAL`. */
export function toAlliumError(thrown: unknown): AlliumError {
  if (thrown instanceof AlliumError) return thrown
  if (thrown instanceof Error && thrown.name === "AbortError")
    return new AlliumError("ABORTED", "Cannot finish: the caller gave up", { cause: thrown })
  if (thrown instanceof Error && thrown.name === "TimeoutError")
    return new AlliumError("TIMED_OUT", "Cannot finish: time ran out", { cause: thrown })
  return new AlliumError("INTERNAL", "Cannot finish: an unexpected fault, see the log", {
    cause: thrown,
  })
}
