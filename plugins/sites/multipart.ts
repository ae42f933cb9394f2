/**
 * Forms with files, as browsers send them, read as they come.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7578
 * @module
 */
import { AlliumError } from "allium/plugin"

/** Head of one part. */
export interface PartHead {
  /** Name of the form's field. */
  readonly field: string
  /** Name of the file as the sender says; `undefined` for a text. */
  readonly fileName: string | undefined
}

/** What the bytes turn out to be, in order. `data` belongs to the part whose `head` came last; it is ended by `end`. */
export type MultipartEvent =
  | { readonly kind: "head"; readonly head: PartHead }
  | { readonly kind: "data"; readonly bytes: Buffer }
  | { readonly kind: "end" }

/** Fields of one part together. */
const PART_HEAD_BYTES_MAX = 8_192
/** Parts of one form. */
const PARTS_MAX = 256
const CRLF = "\r\n"

/** The boundary of a form. @throws {AlliumError} `BAD_REQUEST` when it is no form with files. */
export function boundaryOf(contentType: string | undefined): string {
  const [, quoted, plain] =
    /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"\\\r\n]{1,70})"|([^\s";,]{1,70}))\s*(?:;|$)/i.exec(
      contentType ?? "",
    ) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw badForm("it has no boundary, expected multipart/form-data")
  return boundary
}

/** Takes a form apart; holds no more than a boundary and a part's head in memory. */
export class MultipartReader {
  readonly #delimiter: Buffer
  #state: "preamble" | "after boundary" | "head" | "body" | "over" = "preamble"
  /** A line end is put before the first boundary, so that all look the same. */
  #rest: Buffer = Buffer.from(CRLF)
  #partCount = 0

  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`${CRLF}--${boundary}`, "latin1")
  }

  /** Takes the next bytes. @throws {AlliumError} `BAD_REQUEST`, `TOO_LARGE`. */
  *read(chunk: Buffer): Generator<MultipartEvent> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      const before = this.#state
      const left = this.#rest.length
      yield* this.#step()
      if (this.#state === before && this.#rest.length === left) return
    }
  }

  /** The form has ended. @throws {AlliumError} `BAD_REQUEST` when it was cut short. */
  finish(): void {
    if (this.#state !== "over") throw badForm("it ends too early")
  }

  *#step(): Generator<MultipartEvent> {
    if (this.#state === "preamble" || this.#state === "body") yield* this.#untilBoundary()
    else if (this.#state === "after boundary") this.#afterBoundary()
    else if (this.#state === "head") yield* this.#readHead()
    else this.#rest = Buffer.alloc(0)
  }

  *#untilBoundary(): Generator<MultipartEvent> {
    const isBody = this.#state === "body"
    const at = this.#rest.indexOf(this.#delimiter)
    const keep = at >= 0 ? at : Math.max(0, this.#rest.length - this.#delimiter.length + 1)
    if (isBody && keep > 0) yield { kind: "data", bytes: this.#rest.subarray(0, keep) }
    this.#rest = this.#rest.subarray(at >= 0 ? at + this.#delimiter.length : keep)
    if (at < 0) return
    if (isBody) yield { kind: "end" }
    this.#state = "after boundary"
  }

  /** `--` ends the form; else the line ends, after blanks that some senders put there. */
  #afterBoundary(): void {
    if (this.#rest.length < 2) return
    const text = this.#rest.subarray(0, 128).toString("latin1")
    const [blanks = ""] = /^[ \t]*/.exec(text) ?? []
    if (text.startsWith("--")) this.#state = "over"
    else if (text.startsWith(CRLF, blanks.length)) {
      this.#rest = this.#rest.subarray(blanks.length) // the line end stays: a head may be empty
      this.#state = "head"
    } else if (blanks.length >= 100 || text.length > blanks.length + 1)
      throw badForm("something stands behind a boundary")
  }

  *#readHead(): Generator<MultipartEvent> {
    const at = this.#rest.indexOf(`${CRLF}${CRLF}`)
    if (Math.max(at, at < 0 ? this.#rest.length : 0) > PART_HEAD_BYTES_MAX)
      throw badForm("the head of a part is too large")
    if (at < 0) return
    if (++this.#partCount > PARTS_MAX)
      throw new AlliumError("TOO_LARGE", `Cannot take form: it has more than ${PARTS_MAX} parts`)
    const head = readPartHead(this.#rest.subarray(0, at).toString("utf8"))
    this.#rest = this.#rest.subarray(at + 2 * CRLF.length)
    this.#state = "body"
    yield { kind: "head", head }
  }
}

function readPartHead(text: string): PartHead {
  const [, rest = ""] = /(?:^|\r\n)content-disposition[ \t]*:([^\r\n]*)/i.exec(text) ?? []
  if (!/^[ \t]*form-data[ \t]*;/i.test(rest)) throw badForm("a part says not what it is")
  const field = parameter(rest, "name")
  if (field === undefined) throw badForm("a part has no name")
  return { field, fileName: parameter(rest, "filename") }
}

/** Browsers write `"` as `%22`, and line ends as `%0D%0A`; some programs write `\"`. */
function parameter(text: string, name: string): string | undefined {
  const found = new RegExp(`;[ \\t]*${name}=(?:"((?:\\\\"|[^"])*)"|([^\\s;"]+))`, "i").exec(text)
  const value = found?.[1]?.replaceAll('\\"', '"') ?? found?.[2]
  return value?.replace(/%0D|%0A|%22/gi, (code) => decodeURIComponent(code))
}

function badForm(found: string): AlliumError {
  return new AlliumError("BAD_REQUEST", `Cannot read form: ${found}`)
}
