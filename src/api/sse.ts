/**
 * Server-sent events, both ways: frames to text and text to frames.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 * @module
 */
import { AlliumError } from "../base/errors.ts"

/** One event of a stream. */
export interface Frame {
  readonly event: string
  /** JSON. */
  readonly data: string
  readonly id?: string
}

/** Longest frame that is read: a list of a hundred thousand messages fits. */
const FRAME_CHARS_MAX = 33_554_432

/** Text of a frame. `data` must hold no line end; JSON does not. */
export function writeFrame({ event, data, id }: Frame): string {
  return `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${data}\n\n`
}

/** Puts frames together from pieces of text cut anywhere; keeps at most `charsMax` of them. */
export class FrameReader {
  readonly #charsMax: number
  #rest = ""
  #lines: string[] = []
  #chars = 0

  constructor(charsMax = FRAME_CHARS_MAX) {
    this.#charsMax = charsMax
  }

  /**
   * @returns The frames that `text` completes. Comments and unknown fields are skipped, as the
   * standard says; so is a frame that was cut off by the end.
   * @throws {AlliumError} `TOO_LARGE`.
   */
  push(text: string): Frame[] {
    const lines = (this.#rest + text).split("\n")
    this.#rest = lines.pop() ?? ""
    const frames = lines.flatMap((line) => this.#line(line.replace(/\r$/, "")))
    if (this.#chars + this.#rest.length > this.#charsMax)
      throw new AlliumError("TOO_LARGE", `Cannot read answer: over ${this.#charsMax} characters`)
    return frames
  }

  #line(line: string): Frame[] {
    if (line !== "") {
      if (!line.startsWith(":")) this.#lines.push(line)
      this.#chars += line.length
      return []
    }
    const frame = readFrame(this.#lines)
    this.#lines = []
    this.#chars = 0
    return frame === undefined ? [] : [frame]
  }
}

function readFrame(lines: readonly string[]): Frame | undefined {
  const fields = lines.map((line) => /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [])
  const valuesOf = (name: string) =>
    fields.filter(([, field]) => field === name).map(([, , value]) => value ?? "")
  const data = valuesOf("data")
  if (data.length === 0) return undefined
  const id = valuesOf("id").at(-1)
  const event = valuesOf("event").at(-1) || "message"
  return { event, data: data.join("\n"), ...(id !== undefined && { id }) }
}
