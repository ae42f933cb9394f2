/**
 * Columns of text.
 *
 * @module
 */

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" })
/** East Asian wide and full-width letters, and signs shown as pictures. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u

/** How many cells of a terminal the text takes. */
export function cellsOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let cells = 0
  for (const { segment } of graphemes.segment(text)) cells += WIDE.test(segment) ? 2 : 1
  return cells
}

/** Rows in aligned columns, two spaces apart; the last column is not padded. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [place, cell] of row.entries())
      widths[place] = Math.max(widths[place] ?? 0, cellsOf(cell))
  return rows.map((row) =>
    row
      .map((cell, place) => cell + " ".repeat((widths[place] ?? 0) - cellsOf(cell)))
      .join("  ")
      .trimEnd(),
  )
}
