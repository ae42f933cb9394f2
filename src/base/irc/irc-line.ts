/**
 * One line of IRC: tags, prefix, command, parameters. Pure; nothing is decided here.
 *
 * @see https://modern.ircdocs.horse/#message-format
 * @see https://ircv3.net/specs/extensions/message-tags
 * @module
 */

/** A line without its end. Texts are latin1: bytes are kept as they are, whatever they encode. */
export interface IrcLine {
  /** Without the `@`; empty when there are none. */
  readonly tags: string
  /** Who says it, without the colon; empty when nobody does. */
  readonly prefix: string
  /** In upper case; a word, or three digits. */
  readonly command: string
  /** The last one may hold spaces, begin with a colon, or be empty. */
  readonly params: readonly string[]
}

const COMMAND = /^(?:[A-Za-z]{1,32}|\d{3})$/
const PARAMS_MAX = 64

/** Reads a line; `undefined` when it is none: no command, a NUL, CR or LF within, too many parameters. */
export function parseIrcLine(text: string): IrcLine | undefined {
  if (/[\0\r\n]/.test(text)) return undefined
  const [, tags = "", prefix = "", command = "", rest = ""] =
    /^(?:@([^ ]*) +)?(?::([^ ]*) +)?([^ ]+)(.*)$/.exec(text) ?? []
  const params = COMMAND.test(command) ? readParams(rest) : undefined
  if (params === undefined) return undefined
  return { tags, prefix, command: command.toUpperCase(), params }
}

function readParams(rest: string): string[] | undefined {
  const params: string[] = []
  let left = rest.replace(/^ +/, "")
  while (left !== "") {
    if (params.length === PARAMS_MAX) return undefined
    if (left.startsWith(":")) return [...params, left.slice(1)]
    const [word = ""] = left.split(" ", 1)
    params.push(word)
    left = left.slice(word.length).replace(/^ +/, "")
  }
  return params
}

/** Writes it, without its end; the last parameter bears a colon where it must, or where `colon` says so. */
export function formatIrcLine(line: IrcLine, { colon = false } = {}): string {
  const { tags, prefix, command, params } = line
  const last = params.length - 1
  const words = params.map((param, index) =>
    index === last && (colon || needsColon(param)) ? `:${param}` : param,
  )
  const head = [tags && `@${tags}`, prefix && `:${prefix}`, command].filter(Boolean)
  return [...head, ...words].join(" ")
}

function needsColon(param: string): boolean {
  return param === "" || param.startsWith(":") || param.includes(" ")
}
