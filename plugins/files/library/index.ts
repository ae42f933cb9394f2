/**
 * Libraries of contacts, and drop boxes: what people share with people, and nobody else.
 *
 * @module
 */
import { open } from "node:fs/promises"
import { isAbsolute } from "node:path"
import {
  AlliumError,
  type Contact,
  type Identity,
  type OfferCall,
  type PluginContext,
  toAlliumError,
  type z,
} from "allium/plugin"
import type { ContactDesk } from "../contact/desk.ts"
import type { ReaderOptions, Welcome } from "../contact/reader.ts"
import type { DiskRoom } from "../disk/disk-room.ts"
import { untilMs } from "../until.ts"
import { Answering, type Ends } from "./answering.ts"
import { AskedFor } from "./asked.ts"
import { Asking } from "./asking.ts"
import { type Box, Boxes } from "./boxes.ts"
import {
  EVIDENCE_BYTES_MAX,
  type Evidence,
  type Proven,
  readEvidence,
  writeEvidence,
} from "./evidence.ts"
import * as offers from "./offers.ts"
import { type Entry, Shelf, type ShownEntry } from "./shelf.ts"
import { isSafePath, type Listed } from "./wire.ts"

export { libraryOffers } from "./offers.ts"

/** Contacts that are asked at the same time. */
const ASKED_AT_ONCE_MAX = 8
/** Found at one contact by one search. */
const FOUND_MAX = 500

/** What is accepted without asking; read before the desk begins to take letters. */
export class WelcomeRules {
  readonly asked: AskedFor
  readonly boxes: Boxes

  private constructor({ store, clock }: PluginContext) {
    this.asked = new AskedFor(store, clock)
    this.boxes = new Boxes(store, clock)
  }

  static async load(context: PluginContext): Promise<WelcomeRules> {
    const rules = new WelcomeRules(context)
    await Promise.all([rules.asked.load(), rules.boxes.load()])
    return rules
  }

  readonly welcome: ReaderOptions["welcome"] = async (from, offer): Promise<Welcome | undefined> =>
    (await this.asked.welcome(from, offer)) ?? (await this.boxes.welcome(from, offer))
}

/** What the room stands on. */
export interface LibraryTools {
  readonly room: DiskRoom
  readonly desk: ContactDesk
  readonly rules: WelcomeRules
}

/** Begins to answer contacts, and {@linkcode offers.libraryOffers}. */
export async function openLibrary(context: PluginContext, tools: LibraryTools): Promise<void> {
  const shelf = new Shelf(context, tools.room)
  await shelf.load()
  const library = new Library(context, tools, shelf)
  new Answering({ context, shelf, give: (to, what, call) => tools.desk.give(to, what, call) })
  context.answer(offers.browseOffer, (input, call) => library.browse(input, call))
  context.answer(offers.searchOffer, (input, call) => library.search(input, call))
  context.answer(offers.askOffer, (input, call) => library.ask(input, call))
  context.answer(offers.libraryAddOffer, (input, call) => library.add(input, call))
  context.answer(offers.libraryListOffer, async (input) => library.list(input))
  context.answer(offers.libraryRemoveOffer, (input) => library.remove(input))
  context.answer(offers.evidenceOffer, (input) => library.evidence(input))
  context.answer(offers.receiveOffer, (input) => library.receive(input))
}

type InputOf<O extends { readonly input: z.ZodObject }> = z.output<O["input"]>

class Library {
  readonly #context: PluginContext
  readonly #tools: LibraryTools
  readonly #shelf: Shelf

  constructor(context: PluginContext, tools: LibraryTools, shelf: Shelf) {
    this.#context = context
    this.#tools = tools
    this.#shelf = shelf
  }

  async browse(input: InputOf<typeof offers.browseOffer>, call: OfferCall) {
    const ends = this.#ends(input)
    const path = input.path === undefined ? {} : { path: requirePath(input.path) }
    return Asking.with(this.#context, ends, call, async (asking) => {
      const found = await asking.list({ kind: "browse", ...path }, offers.SHOWN_MAX)
      if (input.evidence !== undefined) await this.#write(input.evidence, asking.evidence)
      return found.map((one) => toFound(ends.contact, one))
    })
  }

  /** All who are asked, side by side; who cannot be reached is named. */
  async search(input: InputOf<typeof offers.searchOffer>, call: OfferCall) {
    const waiting = this.#whom(input)
    const found: offers.FoundDocument[] = []
    const evidence: Evidence[] = []
    const askNext = async (): Promise<void> => {
      for (let ends = waiting.shift(); ends !== undefined; ends = waiting.shift()) {
        const { contact } = ends
        try {
          const asked = await this.#searchOne(ends, input.words, call)
          evidence.push(...asked.evidence)
          found.push(...asked.found.map((one) => toFound(contact, one)))
        } catch (error) {
          call.signal.throwIfAborted()
          found.push({ contact: contact.name, reason: toAlliumError(error).code })
        }
      }
    }
    await Promise.all(Array.from({ length: ASKED_AT_ONCE_MAX }, askNext))
    if (input.evidence !== undefined) await this.#write(input.evidence, evidence)
    return found
  }

  async ask(input: InputOf<typeof offers.askOffer>, call: OfferCall) {
    const ends = this.#ends(input)
    const path = requirePath(input.path)
    const { desk, rules } = this.#tools
    const folder = await desk.folder(input.to)
    let what = { size: 0, fileCount: 0 }
    const id = await rules.asked.ask(ends, folder, (transfer) =>
      Asking.with(this.#context, ends, call, async (asking) => {
        const says = await asking.ask({ kind: "ask", path, transfer })
        if (says.kind === "offered") what = says
        return what.size
      }),
    )
    return { id, contact: ends.contact.name, path, size: what.size, files: what.fileCount }
  }

  async add(input: InputOf<typeof offers.libraryAddOffer>, call: OfferCall) {
    requireWhole(input.path)
    const identity = this.#context.identities.find(input.identity)
    const audience = input.for && this.#audience(identity, input.for)
    const { path, as: name } = input
    const shown = await this.#shelf.add({ identity, path, name, audience }, call)
    return this.#document(identity, shown)
  }

  list(input: InputOf<typeof offers.libraryListOffer>): offers.EntryDocument[] {
    const { identities } = this.#context
    if (input.identity === undefined && identities.list().length === 0) return []
    const identity = identities.find(input.identity)
    return this.#shelf.list(identity).map((shown) => this.#document(identity, shown))
  }

  async remove(input: InputOf<typeof offers.libraryRemoveOffer>) {
    const identity = this.#context.identities.find(input.identity)
    return this.#document(identity, { entry: await this.#shelf.remove(identity, input.name) })
  }

  async receive(input: InputOf<typeof offers.receiveOffer>): Promise<offers.BoxDocument[]> {
    const { boxes } = this.#tools.rules
    const identity = this.#context.identities.find(input.identity)
    const write = (box: Box) => this.#boxDocument(identity, box)
    if (input.folder === undefined) return boxes.list(identity.key).map(write)
    requireWhole(input.folder)
    if (input.stop) {
      const folder = await this.#tools.desk.folder(input.folder).catch(() => input.folder!)
      return [{ ...write(await boxes.stop(identity.key, folder)), state: "stopped" }]
    }
    const until = input.until && untilMs(input.until, this.#context.clock.now())
    const from = input.from ? this.#audience(identity, input.from) : "all"
    const box = await boxes.open({
      ...{ identity: identity.key, folder: await this.#tools.desk.folder(input.folder) },
      ...{ from, quota: input.quota },
      ...(input.files !== undefined && { most: input.files }),
      ...(typeof until === "number" && { until }),
    })
    return [write(box)]
  }

  async #searchOne(ends: Ends, words: readonly string[], call: OfferCall) {
    return Asking.with(this.#context, ends, call, async (asking) => {
      const found = await asking.list({ kind: "search", words: [...words] }, FOUND_MAX)
      return { found, evidence: asking.evidence }
    })
  }

  #ends(input: { readonly identity?: string | undefined; readonly contact: string }): Ends {
    const { identities, contacts } = this.#context
    const identity = identities.find(input.identity)
    return { identity, contact: contacts.find(identity, input.contact) }
  }

  #whom(input: InputOf<typeof offers.searchOffer>): Ends[] {
    const { identities, contacts } = this.#context
    const identity = identities.find(input.identity)
    const named = input.contact?.map((name) => contacts.find(identity, name))
    const all = () => contacts.list(identity).filter(({ state }) => state === "accepted")
    return (named ?? all()).map((contact) => ({ identity, contact }))
  }

  /** @throws {AlliumError} `NO_CONTACT`. */
  #audience(identity: Identity, names: readonly string[]): Entry["audience"] {
    if (names.length === 1 && names[0] === "all") return "all"
    if (names.length === 1 && names[0] === "none") return []
    return names.map((name) => this.#context.contacts.find(identity, name).key)
  }

  #people(identity: Identity, audience: Entry["audience"]): string {
    if (audience === "all") return "all"
    const known = this.#context.contacts.list(identity)
    const names = known.filter(({ key }) => audience.includes(key)).map(({ name }) => name)
    return names.length === 0 ? "none" : names.join(", ")
  }

  #document(
    identity: Identity,
    {
      entry,
      catalogue,
      reason,
    }: Pick<ShownEntry, "entry"> & Partial<ShownEntry> & { reason?: string },
  ): offers.EntryDocument {
    const top = catalogue?.find(entry.name)
    return {
      ...{ name: entry.name, path: entry.path, for: this.#people(identity, entry.audience) },
      ...(top && { size: top.size, files: top.fileCount }),
      ...(reason !== undefined && { reason }),
    }
  }

  #boxDocument(identity: Identity, box: Box): offers.BoxDocument {
    const { folder, quota, taken, count, most, until } = box
    return {
      ...{ folder, quota, taken, count, state: this.#tools.rules.boxes.stateOf(box) },
      from: this.#people(identity, box.from),
      ...(most !== undefined && { most }),
      ...(until !== undefined && { until }),
    }
  }

  /** @throws {AlliumError} `ALREADY_EXISTS`, `TOO_LARGE`. */
  async #write(path: string, evidence: readonly Evidence[]): Promise<void> {
    requireWhole(path)
    const bytes = writeEvidence(evidence)
    try {
      const file = await open(path, "wx", 0o600)
      await file.writeFile(bytes).finally(() => file.close())
    } catch {
      throw new AlliumError("ALREADY_EXISTS", "Cannot write evidence: the file cannot be made anew")
    }
  }

  /** Who said what, from a file; the network is not asked. */
  async evidence(input: InputOf<typeof offers.evidenceOffer>): Promise<offers.SaidDocument[]> {
    requireWhole(input.path)
    const proven = readEvidence(await readBounded(input.path))
    return proven.flatMap((one) => this.#said(one)).slice(0, offers.SHOWN_MAX)
  }

  #said({ from, question, body: { to, at, says } }: Proven): offers.SaidDocument[] {
    const about = question.kind === "search" ? question.words.join(" ") : (question.path ?? "/")
    const head = {
      ...{ from: this.#nameOf(from), to: this.#nameOf(to), at: at * 1_000 },
      asked: `${question.kind} ${about}`,
    }
    if (says.kind === "refused") return [{ ...head, said: says.code }]
    if (says.kind === "offered") return [{ ...head, said: "offered", size: says.size }]
    if (says.listed.length === 0) return [{ ...head, said: "nothing" }]
    return says.listed.map(({ path, size }) => ({ ...head, said: "has", path, size }))
  }

  /** What we call who has a key; the key itself when we know nobody of it. */
  #nameOf(key: Uint8Array): string {
    const text = Buffer.from(key).toString("base64url")
    const { identities, contacts } = this.#context
    for (const identity of identities.list()) {
      if (identity.key === text || identity.keysOf(text) !== undefined) return identity.name
      const isTheirs = (one: Contact) => [one.key, one.presentKey, one.firstKey].includes(text)
      const contact = contacts.list(identity).find(isTheirs)
      if (contact !== undefined) return contact.name
    }
    return text
  }
}

/** @throws {AlliumError} `NOT_FOUND`, `TOO_LARGE`. */
async function readBounded(path: string): Promise<Uint8Array> {
  const file = await open(path, "r").catch(() => {
    throw new AlliumError("NOT_FOUND", "Cannot read evidence: there is no such file")
  })
  try {
    const found = await file.stat()
    if (!found.isFile() || found.size > EVIDENCE_BYTES_MAX)
      throw new AlliumError("TOO_LARGE", "Cannot read evidence: it is no file, or too large")
    return new Uint8Array(await file.readFile())
  } finally {
    await file.close()
  }
}

function toFound(contact: Contact, { path, isFolder, size, fileCount }: Listed) {
  const kind = isFolder ? ("folder" as const) : ("file" as const)
  return { contact: contact.name, path, kind, size, files: fileCount }
}

function requirePath(path: string): string {
  const plain = path.replace(/\/$/, "")
  if (isSafePath(plain)) return plain
  throw new AlliumError("BAD_INPUT", "Cannot look into library: that is no path in a library")
}

function requireWhole(path: string): void {
  if (isAbsolute(path)) return
  throw new AlliumError("BAD_INPUT", "Cannot use path: it is relative, expected a whole one")
}
