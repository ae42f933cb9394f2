/**
 * Looks, as long as files of groups are on their way, who is a member: who is none any more is given nothing.
 *
 * @module
 */
import { type PluginContext, toAlliumError } from "allium/plugin"
import type { Admission } from "./admission.ts"
import type { TransferBook } from "./book.ts"
import type { Circles } from "./circles.ts"
import type { Post } from "./post.ts"
import type { SealedLine } from "./sealed-line.ts"
import { isFinished, type Transfer } from "./transfer.ts"

/** How often members are looked at. */
const MEMBERS_EVERY_MS = 10_000

/** What the watch needs of the rest. */
export interface GroupWatchOptions {
  readonly context: PluginContext
  readonly book: TransferBook
  readonly post: Post
  readonly circles: Circles
  readonly admission: Admission
}

/** See the module. */
export class GroupWatch {
  readonly #o: GroupWatchOptions
  readonly #lines = new Map<SealedLine, { transfer: Transfer; contact: string }>()
  #isRunning = false

  constructor(options: GroupWatchOptions) {
    this.#o = options
  }

  /** There may be something to look after. */
  care(transfer: Transfer): void {
    if (transfer.group === undefined || isFinished(transfer)) return
    this.#start()
  }

  /** Ends a line when the other side is no member any more. */
  async during(
    transfer: Transfer,
    { line, contact }: { readonly line: SealedLine; readonly contact: string },
    serve: () => Promise<void>,
  ): Promise<void> {
    if (transfer.group === undefined) return serve()
    this.#lines.set(line, { transfer, contact })
    this.#start()
    try {
      await serve()
    } finally {
      this.#lines.delete(line)
    }
  }

  #start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#keepLooking()
      .catch(({ code }: { code?: string }) => {
        if (!this.#o.context.signal.aborted) this.#o.context.log.warn("members.lost", { code })
      })
      .finally(() => {
        this.#isRunning = false
      })
  }

  async #keepLooking(): Promise<void> {
    const { clock, signal, log } = this.#o.context
    for (;;) {
      const open = this.#open()
      if (open.length === 0 && this.#lines.size === 0) return
      await this.#look(open).catch((error: unknown) =>
        log.warn("members.unknown", { code: toAlliumError(error).code }),
      )
      await clock.sleep(MEMBERS_EVERY_MS, { signal })
    }
  }

  #open(): Transfer[] {
    return this.#o.book.list().filter((one) => one.group !== undefined && !isFinished(one))
  }

  async #look(open: readonly Transfer[]): Promise<void> {
    const { context, circles, admission } = this.#o
    const lines = [...this.#lines.values()].map(({ transfer }) => transfer)
    for (const { identity: key, group } of [...open, ...lines]) {
      const identity = context.identities.list().find((one) => one.key === key)
      if (identity !== undefined && group !== undefined) await circles.look(identity, group.id)
    }
    for (const one of open) if (this.#isRemoved(one)) await this.#end(one)
    for (const [line, { transfer, contact }] of this.#lines) {
      const now = this.#o.book.get(transfer.id)
      if (now === undefined || !admission.admits(now, contact)) line.destroy()
    }
  }

  /** Known to be none; as long as nothing is known of the group, nothing is ended. */
  #isRemoved({ direction, identity, group, contact }: Transfer): boolean {
    const circle = group && this.#o.circles.known(identity, group.id)
    return direction === "out" && circle !== undefined && !circle.members.has(contact)
  }

  async #end(transfer: Transfer): Promise<void> {
    const { book, post } = this.#o
    await book.change(
      transfer.id,
      (now) => (isFinished(now) ? undefined : { stage: "cancelled", reason: "NO_MEMBER" }),
      post.with(transfer, "withdraw"),
    )
  }
}
