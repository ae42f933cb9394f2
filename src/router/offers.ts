/**
 * The book of offers: everything the router can do, and the one place where input is checked.
 *
 * @module
 */
import { untilAborted } from "../base/abort.ts"
import { AlliumError } from "../base/errors.ts"
import type { Offer, OfferCall, OfferRun } from "./offer.ts"
import { checkDeclaration, formOf, readInput, readOutput } from "./offer-check.ts"
import { describeOffer, type OfferDescription } from "./offer-description.ts"

/** One document, or a stream of them that may never end. */
export type Answer =
  | { readonly document: unknown }
  | { readonly documents: AsyncIterable<unknown, void, undefined> }

interface Entry {
  readonly offer: Offer
  readonly run: (input: Record<string, unknown>, call: OfferCall) => unknown
}

/** Offers by verb. */
export class OfferBook {
  readonly #entries = new Map<string, Entry>()

  /**
   * Adds an offer; what comes back takes it out again.
   *
   * @throws {TypeError} when the declaration cannot become a route and a command.
   * @throws {AlliumError} `ALREADY_EXISTS` when the verb is taken, begins another verb or continues one.
   */
  register<O extends Offer>(offer: O, run: OfferRun<O>): () => void {
    checkDeclaration(formOf(offer))
    for (const other of this.#entries.keys())
      if (`${other} `.startsWith(`${offer.verb} `) || `${offer.verb} `.startsWith(`${other} `))
        throw taken(offer.verb, other)
    const entry = { offer, run: run as Entry["run"] }
    this.#entries.set(offer.verb, entry)
    return () => {
      if (this.#entries.get(offer.verb) === entry) this.#entries.delete(offer.verb)
    }
  }

  /** Every offer, by verb. */
  list(): OfferDescription[] {
    const offers = [...this.#entries.values()].map(({ offer }) => offer)
    return offers.sort((left, right) => (left.verb < right.verb ? -1 : 1)).map(describeOffer)
  }

  /** @throws {AlliumError} `UNKNOWN_VERB`. */
  describe(verb: string): OfferDescription {
    return describeOffer(this.#find(verb).offer)
  }

  /** Whether such an offer stands. */
  has(verb: string): boolean {
    return this.#entries.has(verb)
  }

  /**
   * Checks the input, runs, checks every document that comes back.
   *
   * @param input - Whatever came from outside.
   * @returns A document, or with a `stream` offer the documents. Breaking out of the loop or aborting
   * `call.signal` ends the run; a runner that does not listen is left behind.
   * @throws {AlliumError} `UNKNOWN_VERB`, `BAD_INPUT`, `BAD_OUTPUT`, and what the runner throws.
   */
  async run(verb: string, input: unknown, call: OfferCall): Promise<Answer> {
    const { offer, run } = this.#find(verb)
    const accepted = readInput(offer, input)
    call.signal.throwIfAborted()
    const made = run(accepted, call)
    if (offer.stream) return { documents: documents(offer, made, call.signal) }
    return { document: readOutput(offer, await untilAborted(Promise.resolve(made), call.signal)) }
  }

  #find(verb: string): Entry {
    const entry = this.#entries.get(verb)
    if (entry !== undefined) return entry
    throw new AlliumError("UNKNOWN_VERB", `Cannot run "${verb}": the router has no such offer`)
  }
}

function taken(verb: string, other: string): AlliumError {
  const fault = verb === other ? "it is registered already" : `"${other}" stands in its way`
  return new AlliumError("ALREADY_EXISTS", `Cannot register offer "${verb}": ${fault}`)
}

async function* documents(
  offer: Offer,
  made: unknown,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  const iterator = iteratorOf(offer, made)
  let finished = false
  try {
    for (;;) {
      const step = await untilAborted(iterator.next(), signal)
      finished = step.done === true
      if (finished) return
      yield readOutput(offer, step.value)
    }
  } finally {
    // Not awaited: a runner that hangs must not hold back the caller, who is gone.
    if (!finished) void Promise.resolve(iterator.return?.()).catch(() => {})
  }
}

function iteratorOf(offer: Offer, made: unknown): AsyncIterator<unknown> {
  if (typeof made === "object" && made !== null && Symbol.asyncIterator in made)
    return (made as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  throw new AlliumError("BAD_OUTPUT", `Cannot finish ${offer.verb}: answer is no stream`)
}
