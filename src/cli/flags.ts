/**
 * Flags from the JSON Schema of a command's input.
 *
 * @module
 */
import type { FieldSchema, OfferDescription } from "../router/offer-description.ts"

/** What a command line can be made of. */
export type Form = Pick<OfferDescription, "verb" | "summary" | "positional" | "examples" | "input">

/**
 * How a field is written on the command line. `secret` never is: it is asked for, or read from a file.
 * `json` is for what has no simpler form.
 */
type FlagKind = "boolean" | "number" | "text" | "secret" | "json"

/** One field of a command. */
export interface Flag {
  /** As the input knows it: `sizeMax`. */
  readonly field: string
  /** As it is typed, without dashes: `size-max`. */
  readonly name: string
  readonly kind: FlagKind
  /** Given several times; each value is of `kind`. */
  readonly list: boolean
  readonly path: boolean
  readonly required: boolean
  /** Given by its place. */
  readonly positional: boolean
  readonly choices: readonly string[] | undefined
  readonly schema: FieldSchema
}

/** Fields in the order they are declared. A secret is never positional: others could read it. */
export function flagsOf({ input, positional }: Form): Flag[] {
  return Object.entries(input.properties ?? {}).map(([field, schema]) => {
    const list = typesOf(schema).includes("array") && !typesOf(schema).includes("string")
    const item = list ? { ...schema.items, kind: schema.kind ?? schema.items?.kind } : schema
    const kind = kindOf(item as FieldSchema)
    return {
      field,
      name: field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      kind,
      list,
      path: item.kind === "path",
      required: input.required?.includes(field) === true,
      positional: positional.includes(field) && kind !== "secret",
      choices: choicesOf(item as FieldSchema),
      schema,
    }
  })
}

function kindOf(schema: FieldSchema): FlagKind {
  if (schema.kind === "secret") return "secret"
  const types = typesOf(schema)
  if (types.includes("string")) return "text"
  if (types.length === 1 && types[0] === "boolean") return "boolean"
  if (types.length > 0 && types.every((type) => ["number", "integer", "null"].includes(type)))
    return "number"
  return "json"
}

function typesOf({ type, anyOf, ...schema }: FieldSchema): readonly string[] {
  if (typeof type === "string") return [type]
  if (type !== undefined) return type
  if (anyOf !== undefined) return anyOf.flatMap(typesOf)
  return [...(schema.enum ?? []), schema.const]
    .filter((value) => value !== undefined)
    .map((value) => typeof value)
}

function choicesOf(schema: FieldSchema): readonly string[] | undefined {
  const all = schema.anyOf?.map(({ const: value }) => value) ?? schema.enum
  if (all?.every((choice) => typeof choice === "string")) return all
  return typeof schema.const === "string" ? [schema.const] : undefined
}
