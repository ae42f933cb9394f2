/**
 * Questions hidden in messages (CTCP): they make a program tell its version, its clock or its address.
 *
 * @see https://modern.ircdocs.horse/ctcp
 * @module
 */

const MARK = "\x01"
/** Some programs act on these without the mark too. */
const BARE_DCC = /^\s*DCC\s+[A-Z]{0,2}(?:SEND|CHAT|RESUME|ACCEPT|GET|XMIT|REVERSE|FSERVE)\b/i

/** Whether a text may pass: one without the mark that is no DCC either, or a `/me`. */
export function mayPass(text: string): boolean {
  return text.includes(MARK) ? isAction(text) : !BARE_DCC.test(text)
}

/** One question that is none: the mark, ACTION and a text, and the mark again or nothing. */
function isAction(text: string): boolean {
  const [before, inner = "", after = "", ...more] = text.split(MARK)
  return before === "" && after === "" && more.length === 0 && /^ACTION(?: |$)/i.test(inner)
}
