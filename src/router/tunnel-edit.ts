/**
 * Options of a tunnel that are changed: one command for every kind.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { type FieldSchema, schemaOf } from "./offer-description.ts"
import type { TunnelKind } from "./tunnel.ts"

/** What becomes of options: `set` by name, `unset` back to their defaults. Anything else stays. */
export interface TunnelEdit {
  readonly set: Readonly<Record<string, unknown>>
  readonly unset: readonly string[]
}

/**
 * Options after an edit, not yet checked by their kind's shape.
 *
 * @throws {AlliumError} `BAD_INPUT` when the kind has no such option, or nothing is to be changed.
 */
export function editOptions(
  kind: TunnelKind,
  before: Readonly<Record<string, unknown>>,
  { set, unset }: TunnelEdit,
): Record<string, unknown> {
  const shapes = schemaOf(kind.options, "input").properties ?? {}
  const names = unset.map(camelCase)
  const strange = [...Object.keys(set), ...names].find((name) => !Object.hasOwn(shapes, name))
  if (strange !== undefined) throw unknownOption(kind.kind, strange)
  if (Object.keys(set).length + names.length === 0) throw nothingToDo()
  const kept = Object.entries(before).filter(([name]) => !names.includes(name))
  const changed = Object.entries(set).map(([name, value]) => [name, suit(value, shapes[name])])
  return Object.fromEntries([...kept, ...changed])
}

/** Fields of every kind in one loose shape: the kind's own shape decides what is right. */
export function editFields(kinds: readonly TunnelKind[]): Record<string, z.ZodType> {
  const found = new Map<string, FieldSchema[]>()
  for (const kind of kinds)
    for (const [name, schema] of Object.entries(schemaOf(kind.options, "input").properties ?? {}))
      found.set(name, [...(found.get(name) ?? []), schema])
  return Object.fromEntries([...found].map(([name, schemas]) => [name, looseField(schemas)]))
}

function looseField(schemas: readonly FieldSchema[]): z.ZodType {
  const [first] = schemas
  const list = schemas.find(({ type }) => type === "array")
  const item = looseItem((list?.items as FieldSchema | undefined) ?? first ?? {})
  const kind = schemas.find(({ kind }) => kind !== undefined)?.kind
  return (list === undefined ? item : z.array(item))
    .optional()
    .meta({ description: first?.description ?? "", ...(kind !== undefined && { kind }) })
}

function looseItem({ type }: FieldSchema): z.ZodType {
  if (type === "boolean") return z.boolean()
  return type === "number" || type === "integer" ? z.number() : z.string().max(4_096)
}

/** One value where a kind wants no list, though another kind does. */
function suit(value: unknown, shape: FieldSchema | undefined): unknown {
  const isOne = Array.isArray(value) && value.length === 1 && shape?.type !== "array"
  return isOne ? value[0] : value
}

/** Option names may be typed as flags are: `close-minutes`. */
function camelCase(name: string): string {
  return name.replace(/^--/, "").replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function unknownOption(kind: string, name: string): AlliumError {
  const message = `Cannot edit tunnel: ${kind} has no option "${name.slice(0, 40)}"`
  return new AlliumError("BAD_INPUT", message)
}

function nothingToDo(): AlliumError {
  return new AlliumError("BAD_INPUT", "Cannot edit tunnel: no option is given, expected one")
}
