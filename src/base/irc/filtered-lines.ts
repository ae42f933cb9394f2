/**
 * A connection of which only lines that pass a filter are seen.
 *
 * @module
 */
import { Duplex, type Readable, type Writable } from "node:stream"
import { LineCutter } from "./line-cutter.ts"

/** What becomes of a line, without its end, in latin1: the line in its place, or nothing. */
export type LineFilter = (line: string) => string | undefined

/** How the two directions are filtered. */
export interface FilteredLines {
  /** What is read from the connection. */
  readonly read: LineFilter
  /** What is written to it. */
  readonly write: LineFilter
  /** Told how many lines were dropped, as they are. */
  readonly onDropped?: (count: number) => void
}

/**
 * Wraps a connection. It is owned by the wrapper from now on: destroying one destroys the other, ends pass
 * on, back-pressure too. What is left without a line's end at the end is dropped.
 */
export function filterLines(below: Duplex, filters: FilteredLines): Duplex {
  return new LineDuplex(below, filters)
}

class LineDuplex extends Duplex {
  readonly #below: Readable & Writable
  readonly #filters: FilteredLines
  readonly #written = new LineCutter()
  readonly #heard = new LineCutter()

  constructor(below: Duplex, filters: FilteredLines) {
    super({ allowHalfOpen: true })
    this.#below = below
    this.#filters = filters
    below.on("data", this.#hear)
    below.on("end", () => this.push(null))
    below.on("error", (error) => this.destroy(error))
    below.on("close", () => this.destroy())
  }

  override _read(): void {
    this.#below.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    const bytes = this.#pass(this.#written.cut(chunk), this.#filters.write)
    if (bytes === undefined || this.#below.write(bytes)) done()
    else this.#below.once("drain", () => done())
  }

  override _final(done: () => void): void {
    this.#below.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#below.destroy()
    done(error)
  }

  readonly #hear = (chunk: Buffer): void => {
    const bytes = this.#pass(this.#heard.cut(chunk), this.#filters.read)
    if (bytes !== undefined && !this.push(bytes)) this.#below.pause()
  }

  #pass(lines: readonly string[], filter: LineFilter): Buffer | undefined {
    const passed = lines.map(filter).filter((line) => line !== undefined)
    const droppedCount = lines.length - passed.length
    if (droppedCount > 0) this.#filters.onDropped?.(droppedCount)
    if (passed.length === 0) return undefined
    return Buffer.from(passed.map((line) => `${line}\r\n`).join(""), "latin1")
  }
}
