/**
 * Files to groups: one transfer to each member who is a contact, of one torrent with one key, shown as one.
 *
 * @module
 */
import { AlliumError, type Identity, type OfferCall, type PluginContext } from "allium/plugin"
import type { TransferDocument } from "../offers.ts"
import type { Activity, TransferBook } from "./book.ts"
import type { Circle, Circles } from "./circles.ts"
import { toGroupDocument } from "./group-view.ts"
import { isFinished, newId, newKey, type Transfer } from "./transfer.ts"

/** What it needs of the rest. */
export interface GroupSendsOptions {
  readonly context: PluginContext
  readonly book: TransferBook
  readonly circles: Circles
  readonly write: (transfer: Transfer, activity: Activity) => TransferDocument
}

/** What is the same for all members. */
export type SharedContent = Omit<Transfer, "id" | "contact" | "contactName" | "group" | "key">

/** See the module. */
export class GroupSends {
  readonly #o: GroupSendsOptions

  constructor(options: GroupSendsOptions) {
    this.#o = options
  }

  /** @throws {AlliumError} `NOT_FOUND`; `NO_CONTACT` when no member is a contact who was accepted. */
  async find(identity: Identity, group: string, call: OfferCall): Promise<Circle> {
    const circle = await this.#o.circles.find(identity, group, call)
    if (this.#receivers(identity, circle).length > 0) return circle
    throw new AlliumError("NO_CONTACT", "Cannot send file: no member of the group is a contact")
  }

  /** Adds the transfers. @returns What they are called together. */
  async begin(identity: Identity, circle: Circle, shared: SharedContent): Promise<string> {
    const [send, wireId, key] = [newId(), newId(), newKey()]
    const receivers = this.#receivers(identity, circle)
    const keys = receivers.map((contact) => contact.key)
    await this.#o.book.addAll(
      receivers.map((contact) => ({
        ...{ ...shared, id: newId(), wireId, key, contact: contact.key, contactName: contact.name },
        group: {
          ...{ id: circle.id, name: circle.name, send },
          fellows: keys.filter((one) => one !== contact.key),
        },
      })),
    )
    return send
  }

  /** What all sends are called, oldest first. */
  ids(): string[] {
    const sends = this.#o.book.list().flatMap(({ group }) => group?.send ?? [])
    return [...new Set(sends)]
  }

  /** The transfers to all members; none when it is no send to a group. */
  of(send: string): Transfer[] {
    return this.#o.book.list().filter(({ group }) => group?.send === send)
  }

  /** One document for each transfer, or for all of a group's. */
  list(transfers: readonly Transfer[]): TransferDocument[] {
    const told = new Set<string>()
    return transfers.flatMap((transfer) => {
      const send = transfer.group?.send
      if (send === undefined) return [this.#write(transfer)]
      if (told.has(send)) return []
      told.add(send)
      return [this.document(send)]
    })
  }

  /** @throws {AlliumError} `NOT_FOUND`. */
  document(send: string): TransferDocument {
    const all = this.of(send)
    if (all.length > 0)
      return toGroupDocument(
        send,
        all.map((one) => this.#write(one)),
      )
    throw new AlliumError("NOT_FOUND", "Cannot find transfer: it is forgotten")
  }

  /**
   * Does it with each member's transfer that allows it.
   *
   * @throws {AlliumError} Of the first, when none allows it.
   */
  async each(send: string, deed: (id: string) => Promise<unknown>): Promise<TransferDocument> {
    const all = await Promise.allSettled(this.of(send).map(({ id }) => deed(id)))
    const lost = all.find(({ status }) => status === "rejected")
    const isDone = all.some(({ status }) => status === "fulfilled")
    if (!isDone && lost !== undefined) throw (lost as PromiseRejectedResult).reason
    return this.document(send)
  }

  /**
   * Resolves when it has ended at every member.
   *
   * @throws {AlliumError} `FILE_CANCELLED` when nobody got it; the signal's reason.
   */
  async untilDone(send: string, call: OfferCall): Promise<TransferDocument> {
    const { book } = this.#o
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        const document = this.document(send)
        const { done, size, members = [] } = document
        const whole = members.filter(({ state }) => state === "done").length
        const doing = `${whole} of ${members.length} members have it`
        if (this.of(send).every(isFinished)) end(resolve)
        else call.progress({ done, total: size, unit: "bytes", doing })
      }
      const stop = book.watch(({ group }) => group?.send === send && look())
      const abort = () => end(() => reject(call.signal.reason))
      const end = (finish: () => void) => {
        stop()
        call.signal.removeEventListener("abort", abort)
        finish()
      }
      call.signal.addEventListener("abort", abort)
      if (call.signal.aborted) abort()
      else look()
    })
    const document = this.document(send)
    if (document.members?.some(({ state }) => state === "done")) return document
    throw new AlliumError("FILE_CANCELLED", "Cannot send file: no member of the group took it")
  }

  #receivers(identity: Identity, { members }: Circle) {
    const all = this.#o.context.contacts.list(identity)
    return all.filter(({ key, state }) => state === "accepted" && members.has(key))
  }

  #write(transfer: Transfer): TransferDocument {
    return this.#o.write(transfer, this.#o.book.activity(transfer.id))
  }
}
