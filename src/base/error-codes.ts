/**
 * The catalogue of error codes: one place for HTTP status, exit code, and advice.
 *
 * Exit codes: 1 failed, 2 wrong usage, 3 no router running, 4 peer or network not reachable, 5 refused.
 * `docs/reference/errors.md` lists them; a test compares.
 *
 * @module
 */

interface Outcome {
  status: number
  exit: number
  /** What the person may do next; a whole sentence. */
  next?: string
}

const catalogue = {
  INTERNAL: { status: 500, exit: 1, next: "Look into the router's log; please report this." },
  ABORTED: { status: 499, exit: 1 },
  TIMED_OUT: { status: 504, exit: 4 },
  BAD_INPUT: { status: 400, exit: 2, next: "See the command's --help." },
  NOT_FOUND: { status: 404, exit: 1 },
  ALREADY_EXISTS: { status: 409, exit: 1 },
  TOO_LARGE: { status: 413, exit: 2 },
  BUSY: { status: 503, exit: 1, next: "Try again in a moment." },
} as const satisfies Record<string, Outcome>

/** Name of one expected failure. */
export type ErrorCode = keyof typeof catalogue

/** Every code with its outcome. */
export const ERROR_CODES: Readonly<Record<ErrorCode, Outcome>> = catalogue
