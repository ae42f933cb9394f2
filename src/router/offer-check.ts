/**
 * Checks around an offer: its declaration, what comes in, what goes out.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import type { Offer } from "./offer.ts"
import { type OfferDescription, schemaOf } from "./offer-description.ts"

/** Flags that every command has; no field may take their names. */
const RESERVED_FIELDS: readonly string[] = ["help", "home", "json", "quiet", "version"]

/** One to three words; each becomes a part of the path and a word of the command. */
const VERB = /^[a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*){0,2}$/
const FIELD = /^[a-z][a-zA-Z0-9]*$/

/** Which fields a declaration holds. */
type Form = Pick<OfferDescription, "verb" | "summary" | "positional" | "input">

/** @throws {TypeError} when the declaration cannot become a route and a command. */
export function checkDeclaration(form: Form): void {
  const fault = verbFault(form) ?? fieldFault(form) ?? positionalFault(form)
  if (fault !== undefined) throw new TypeError(`Cannot register offer "${form.verb}": ${fault}`)
}

function verbFault({ verb, summary }: Form): string | undefined {
  if (!VERB.test(verb)) return "verb is not one to three lower-case words"
  if (verb === "events") return `the path "events" is taken by the event stream`
  if (summary.trim() === "" || summary.includes("\n")) return "summary is not one line"
  return undefined
}

function fieldFault({ input }: Form): string | undefined {
  for (const name of Object.keys(input.properties ?? {})) {
    if (!FIELD.test(name)) return `field "${name}" is not in camelCase`
    if (RESERVED_FIELDS.includes(name)) return `field "${name}" is a flag of every command`
  }
  return undefined
}

function positionalFault({ positional, input }: Form): string | undefined {
  let optional = false
  for (const [place, name] of positional.entries()) {
    const field = input.properties?.[name]
    if (field === undefined) return `positional "${name}" is no field`
    if (field.type === "array" && place < positional.length - 1)
      return `positional "${name}" is a list, expected it last`
    const required = input.required?.includes(name) === true
    if (required && optional) return `positional "${name}" is required but follows an optional one`
    optional ||= !required
  }
  return undefined
}

/**
 * Makes untrusted input into the offer's own type. Fields nobody declared are refused.
 *
 * @throws {AlliumError} `BAD_INPUT`; names the first bad field, never its value.
 */
export function readInput(
  offer: Pick<Offer, "verb" | "input">,
  input: unknown,
): Record<string, unknown> {
  const result = closed(offer.input).safeParse(input)
  if (result.success) return result.data
  throw new AlliumError("BAD_INPUT", `Cannot run ${offer.verb}: ${sentence(result.error, "input")}`)
}

/**
 * Makes sure that a runner answers what its offer promised.
 *
 * @throws {AlliumError} `BAD_OUTPUT`.
 */
export function readOutput(offer: Offer, document: unknown): unknown {
  const result = offer.output.safeParse(document)
  if (result.success) return result.data ?? null
  const fault = sentence(result.error, "answer")
  throw new AlliumError("BAD_OUTPUT", `Cannot finish ${offer.verb}: ${fault}`)
}

/** A shape whose author did not say what to do with unknown fields refuses them. */
function closed(shape: z.ZodObject): z.ZodObject {
  return shape.def.catchall === undefined ? shape.strict() : shape
}

function sentence(error: z.ZodError, whole: string): string {
  const [issue] = error.issues
  if (issue === undefined) return `${whole} does not fit its shape`
  if (issue.code === "unrecognized_keys") return `${whole} has an unknown field "${issue.keys[0]}"`
  const field = issue.path.length > 0 ? `"${z.core.toDotPath(issue.path)}"` : whole
  return `${field} does not fit, ${reason(issue)}`
}

function reason(issue: z.core.$ZodIssue): string {
  const message = issue.message.replace(/^(?:Invalid input|Invalid option): /, "")
  return message.charAt(0).toLowerCase() + message.slice(1)
}

/** JSON Schema of the input alone; cheap enough for registration. */
export function formOf(offer: Offer): Form {
  const { verb, summary, positional } = offer
  return { verb, summary, positional, input: schemaOf(offer.input, "input") }
}
