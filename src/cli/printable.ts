/**
 * Text from elsewhere, made harmless for a terminal: nothing it holds can move the cursor, recolour,
 * reorder or hide what a person reads.
 *
 * @module
 */

/**
 * Controls (C0, DEL, C1), format characters (bidi), whatever is invisible, line separators, halves of
 * pairs. The two joiners and the variation selectors stay: scripts and emoji need them, and they
 * reorder nothing.
 */
const HOSTILE =
  /(?!\u200c|\u200d|[\ufe00-\ufe0f])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** The text with every hostile character written out: `\n`, `\u{202e}`. One line stays one line. */
export function printable(text: string): string {
  return text.replace(HOSTILE, (hostile) => SHORT[hostile] ?? `\\u{${hex(hostile)}}`)
}

/** The document as JSON on one line; hostile characters are escaped the JSON way, so it stays the same. */
export function printableJson(document: unknown): string {
  return (JSON.stringify(document) ?? "null").replace(HOSTILE, (hostile) =>
    hostile
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  )
}

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).padStart(2, "0")
}
