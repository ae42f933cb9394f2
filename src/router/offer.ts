/**
 * An offer: one thing the router can do, declared once. The API route and the CLI
 * command both come from it.
 *
 * @module
 */
import { z } from "zod"

/** How a field is filled in at the command line; goes into its JSON Schema by zod's `.meta()`. */
export interface FieldMeta {
  /** `path`: made absolute by the CLI, against the caller's folder. `secret`: asked without echo, never shown. */
  readonly kind?: "path" | "secret"
  /** One letter that stands for the flag. */
  readonly alias?: string
  /** One line for `--help`. */
  readonly description?: string
}

/** How a person sees the output; `--json` shows the document itself. */
export interface Display {
  /**
   * Sentence with `{field}` places, for one document: `Sent {id} to {contact}.` A place may name a format:
   * `{size|bytes}`, `{at|time}` (milliseconds since 1970, or ISO 8601), `{qr|lines}` (a text of several lines, or a list
   * of texts; elsewhere a line end is written out as `\n`). A line with nothing but an empty place is left out.
   */
  readonly line?: string
  /** Columns of the table, for a list or stream of documents: fields, with a format if need be. Empty ones are left out. */
  readonly columns?: readonly string[]
  /** What to print for an empty list. */
  readonly empty?: string
}

/** The declaration; pure data, known without a running router. */
export interface Offer<
  Input extends z.ZodObject = z.ZodObject,
  Output extends z.ZodType = z.ZodType,
> {
  /** One to three lower-case words, noun first: `message send`. */
  readonly verb: string
  /** One line, imperative, no full stop. */
  readonly summary: string
  /** Fields given by position, in order; the last may be an array (`PATH…`). */
  readonly positional: readonly string[]
  /** Whole command lines without the program's name: `message send ann "hi"`. */
  readonly examples: readonly string[]
  readonly input: Input
  /** One document; with `stream`, each document of the stream. */
  readonly output: Output
  /** The answer is a stream of documents that may never end. */
  readonly stream: boolean
  readonly display: Display
}

/** What the runner of an offer gets besides its input. */
export interface OfferCall {
  /** Aborts when the caller goes away or the router stops. */
  readonly signal: AbortSignal
  /** Tells how far a long run has come; shown on a terminal. */
  progress(progress: Progress): void
}

/** How far a long run has come. */
export interface Progress {
  readonly done: number
  readonly total?: number
  readonly unit: "bytes" | "items"
  /** What is going on, in the present: `waiting for the peer`. */
  readonly doing?: string
}

/** Runs an offer; input has passed its shape. A stream offer returns an async iterable. */
export type OfferRun<O extends Offer> = (
  input: z.output<O["input"]>,
  call: OfferCall,
) => Promise<z.input<O["output"]>> | AsyncIterable<z.input<O["output"]>>

/** Declares an offer; only verb, summary and input are needed. */
export function offer<
  Input extends z.ZodObject,
  Output extends z.ZodType = z.ZodUnknown,
>(declaration: {
  verb: string
  summary: string
  input: Input
  output?: Output
  positional?: readonly (keyof Input["shape"] & string)[]
  examples?: readonly string[]
  stream?: boolean
  display?: Display
}): Offer<Input, Output> {
  return {
    positional: [],
    examples: [],
    stream: false,
    display: {},
    ...declaration,
    output: declaration.output ?? (z.unknown() as unknown as Output),
  }
}
