/**
 * The log: event names and counts, never content, names of people, addresses or keys.
 *
 * @module
 */

/** From most to least talkative. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const
/** How much is written. */
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What an event may carry: counts, durations, codes. A free text is a leak waiting to happen. */
export type LogFields = Readonly<Record<string, number | boolean | string | undefined>>

/** One place to tell what happened. */
export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** A log whose events begin with `room.`. */
  child(room: string): Log
}

/**
 * Writes one JSON document a line: `{"at":"…","level":"info","event":"session.up","ms":20031}`.
 *
 * @param write - Takes a line without its end.
 * @param now - Milliseconds since 1970.
 */
export function openLog(options: {
  level: LogLevel
  write: (line: string) => void
  now: () => number
}): Log {
  const threshold = LOG_LEVELS.indexOf(options.level)
  const make = (prefix: string): Log => {
    const at =
      (level: LogLevel) =>
      (event: string, fields: LogFields = {}) => {
        if (LOG_LEVELS.indexOf(level) < threshold) return
        const time = new Date(options.now()).toISOString()
        options.write(JSON.stringify({ at: time, level, event: prefix + event, ...fields }))
      }
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (room) => make(`${prefix}${room}.`),
    }
  }
  return make("")
}

/** Says nothing; for tests and embedders who do not want a log. */
export const silentLog: Log = openLog({ level: "silent", write: () => {}, now: () => 0 })
