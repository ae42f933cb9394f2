/**
 * Answers the offers for groups.
 *
 * @module
 */
import { AlliumError, type Contact, type Offer, type PluginContext, type z } from "allium/plugin"
import type { ConversationBook } from "../book.ts"
import { keyBytes, memberKeyOf } from "./bytes.ts"
import { act, type Deed } from "./deeds.ts"
import type { Listing } from "./directory.ts"
import type { Hall } from "./hall.ts"
import type { GroupKeeper } from "./keeper.ts"
import { leave } from "./leaving.ts"
import * as offers from "./offers.ts"

type InputOf<O extends Offer> = z.output<O["input"]>
type Which = { group: string; identity?: string | undefined }

/** See the module. */
export class GroupDesk {
  readonly #context: PluginContext
  readonly #hall: Hall
  readonly #book: ConversationBook

  constructor(context: PluginContext, hall: Hall, book: ConversationBook) {
    this.#context = context
    this.#hall = hall
    this.#book = book
  }

  /** Gives every offer its runner. */
  answer(): void {
    const context = this.#context
    context.answer(offers.createOffer, (input) => this.#create(input))
    context.answer(offers.addOffer, (input) => this.#add(input))
    context.answer(offers.removeOffer, (input) => this.#toMember(input, "remove"))
    context.answer(offers.handOverOffer, (input) => this.#toMember(input, "hand-over"))
    context.answer(offers.renameOffer, ({ name, ...which }) =>
      this.#act(which, { deed: "rename", name }),
    )
    context.answer(offers.leaveOffer, (input) => this.#leave(input))
    context.answer(offers.forgetOffer, (input) => this.#forget(input))
    context.answer(offers.listOffer, (input) => this.#list(input))
    context.answer(offers.showOffer, async (input) => this.#document(await this.#find(input)))
  }

  async #create(input: InputOf<typeof offers.createOffer>): Promise<offers.GroupDocument> {
    const identity = this.#context.identities.find(input.identity)
    const members = input.members.map((one) => this.#contact(input.identity, one))
    if (new Set(members.map(memberKeyOf)).size < members.length)
      throw new AlliumError("BAD_INPUT", "Cannot create group: a contact is named twice")
    const keeper = await this.#hall.create(identity, input.name)
    for (const member of members.map(memberKeyOf))
      await keeper.change((turn) => act(turn, { deed: "add", member: keyBytes(member) }))
    return this.#document(keeper)
  }

  #add(input: InputOf<typeof offers.addOffer>): Promise<offers.GroupDocument> {
    const key = memberKeyOf(this.#contact(input.identity, input.contact))
    const label = input.label !== undefined && { label: input.label }
    return this.#act(input, { deed: "add", member: keyBytes(key), ...label })
  }

  async #toMember(
    input: Which & { member: string },
    deed: "remove" | "hand-over",
  ): Promise<offers.GroupDocument> {
    const keeper = await this.#find(input)
    return this.#act(input, { deed, member: keyBytes(this.#member(keeper, input.member)) })
  }

  async #leave(input: Which): Promise<offers.GroupDocument> {
    const keeper = await this.#find(input)
    await keeper.change(leave)
    return this.#document(keeper)
  }

  /** The listing first: what a crash leaves of the messages is shown nowhere, and goes when they are asked for again. */
  async #forget(input: Which): Promise<z.output<typeof offers.forgetOffer.output>> {
    const identity = this.#context.identities.find(input.identity)
    const listing = this.#hall.directory.find(identity, input.group)
    const { id, name } = listing
    await this.#hall.forget(listing)
    const conversation = await this.#book.of(identity, { group: { id, name } })
    return { name, id, messages: await conversation.clear() }
  }

  async #list(input: { identity?: string | undefined }): Promise<offers.GroupDocument[]> {
    const identity = this.#context.identities.find(input.identity)
    const listings = this.#hall.directory.list(identity).sort((a, b) => (a.name < b.name ? -1 : 1))
    const documents: offers.GroupDocument[] = []
    for (const listing of listings)
      documents.push(this.#document(await this.#hall.keeper(listing), listing))
    return documents
  }

  async #act(which: Which, deed: Deed): Promise<offers.GroupDocument> {
    const keeper = await this.#find(which)
    await keeper.change((turn) => act(turn, deed))
    await this.#hall.settled()
    return this.#document(keeper)
  }

  #find(which: Which): Promise<GroupKeeper> {
    const identity = this.#context.identities.find(which.identity)
    return this.#hall.keeper(this.#hall.directory.find(identity, which.group))
  }

  /** Letters must be able to reach whom we add. */
  #contact(identityName: string | undefined, name: string): Contact {
    const identity = this.#context.identities.find(identityName)
    const contact = this.#context.contacts.find(identity, name)
    if (contact.state === "accepted") return contact
    throw new AlliumError(
      "CONTACT_STATE",
      `Cannot add to group: contact is ${contact.state}, expected accepted`,
    )
  }

  #member(keeper: GroupKeeper, which: string): string {
    const keys = [...keeper.state.log.members.keys()]
    const found = keys.filter(
      (key) => key === which || this.#hall.names.memberName(keeper, key) === which,
    )
    if (found.length === 1 && found[0] !== undefined) return found[0]
    const how = found.length === 0 ? "no member has" : "several members have"
    throw new AlliumError("NOT_FOUND", `Cannot find member: ${how} this name or key`)
  }

  #document(keeper: GroupKeeper, known?: Listing): offers.GroupDocument {
    const { identity, state, isIn, id } = keeper
    const { log, forkedAt, unsure } = state
    const listing = known ?? this.#hall.directory.match(identity, id)
    const mine = log.owner === identity.key ? "owner" : "member"
    return {
      ...{ name: listing?.name ?? log.name, id, identity: identity.name },
      role: isIn ? mine : "gone",
      owner: this.#hall.names.memberName(keeper, log.owner),
      memberCount: log.members.size,
      members: this.#members(keeper),
      ...{ changes: log.entries.length, unsure, ...(forkedAt !== undefined && { forkedAt }) },
    }
  }

  #members(keeper: GroupKeeper): offers.GroupDocument["members"] {
    const { identity, state } = keeper
    const contacts = this.#context.contacts.list(identity)
    return [...state.log.members.keys()].map((key) => ({
      name: this.#hall.names.memberName(keeper, key),
      key,
      role: key === state.log.owner ? ("owner" as const) : ("member" as const),
      isContact: contacts.some((one) => memberKeyOf(one) === key && one.state === "accepted"),
      isYou: key === identity.key,
    }))
  }
}
