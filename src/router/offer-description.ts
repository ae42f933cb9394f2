/**
 * What an offer says of itself, as JSON: the whole of what a command line or a form needs to know.
 *
 * @module
 */
import { z } from "zod"
import type { Display, FieldMeta, Offer } from "./offer.ts"

/** JSON Schema (draft 2020-12) of one field, with what its author said by `.meta()`. */
export interface FieldSchema extends FieldMeta {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly default?: unknown
  readonly items?: FieldSchema
  readonly properties?: Readonly<Record<string, FieldSchema>>
  readonly required?: readonly string[]
  readonly anyOf?: readonly FieldSchema[]
}

/** An offer without its runner; survives JSON. */
export interface OfferDescription {
  readonly verb: string
  readonly summary: string
  readonly positional: readonly string[]
  readonly examples: readonly string[]
  readonly stream: boolean
  readonly display: Display
  /** Always of type `object`. */
  readonly input: FieldSchema
  /** One document; with `stream`, each document of the stream. */
  readonly output: FieldSchema
}

/** Describes an offer; what JSON Schema cannot say (a transform, a bigint) is left open. */
export function describeOffer(offer: Offer): OfferDescription {
  const { verb, summary, positional, examples, stream, display } = offer
  const input = schemaOf(offer.input, "input")
  const output = schemaOf(offer.output, "output")
  return { verb, summary, positional, examples, stream, display, input, output }
}

/** JSON Schema of a zod shape as seen by the one who fills it in (`input`) or reads it (`output`). */
export function schemaOf(shape: z.ZodType, io: "input" | "output"): FieldSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(shape, { io, unrepresentable: "any" })
  return schema as FieldSchema
}
