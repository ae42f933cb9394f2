/**
 * SAM lines for logs and error messages: shape and outcome, never keys, passwords, names or addresses.
 *
 * @module
 */

/** Values that tell nothing about anybody. Everything else is hidden: a list of secrets would have gaps. */
const HARMLESS: ReadonlySet<string> = new Set([
  ...["RESULT", "VERSION", "MIN", "MAX", "STYLE", "SILENT", "SIZE", "SIGNATURE_TYPE", "HEADER"],
  ...["FROM_PORT", "TO_PORT", "LISTEN_PORT", "PROTOCOL", "LISTEN_PROTOCOL", "PORT", "OPTIONS"],
  ...["i2cp.leaseSetEncType", "inbound.quantity", "outbound.quantity"],
  ...["inbound.length", "outbound.length"],
])
const FIELD = /([^\s="]+)=("(?:[^"\\]|\\.)*"?|\S*)/g
const SHOWN_CHARACTERS_MAX = 300
const MESSAGE_CHARACTERS_MAX = 120

/**
 * A line fit to be shown. `SESSION CREATE STYLE=STREAM DESTINATION=AAAA…` becomes
 * `SESSION CREATE STYLE=STREAM DESTINATION=[hidden]`. Takes any text, also lines that are no SAM.
 *
 * @returns At most 300 characters on one line.
 */
export function redactSamLine(line: string): string {
  const shown = redactText(line).replace(FIELD, (field: string, key: string) =>
    HARMLESS.has(key) ? field : `${key}=[hidden]`,
  )
  return shown.slice(0, SHOWN_CHARACTERS_MAX)
}

/** A router's own sentence, fit to be shown: one short line, without anything as long as a key or a hash. */
export function redactMessage(text: string): string {
  return redactText(text).slice(0, MESSAGE_CHARACTERS_MAX)
}

function redactText(text: string): string {
  return text.replace(/[A-Za-z0-9\-~+/_]{40,}={0,2}/g, "[hidden]").replace(/[^\x20-\x7e]+/g, " ")
}
