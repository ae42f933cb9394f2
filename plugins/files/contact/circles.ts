/**
 * Who is in a group now, as the messages plugin says: only members are offered a file of the group, and given of it.
 *
 * @module
 */
import { AlliumError, type Identity, type OfferCall, type PluginContext, z } from "allium/plugin"

/** What was said is believed for so long; a removed member is given nothing after it. */
const LOOK_EVERY_MS = 5_000

const groupShape = z.object({
  name: z.string(),
  id: z.string(),
  role: z.string(),
  members: z.array(z.object({ key: z.string(), isYou: z.boolean() })),
})

/** A group at one moment. */
export interface Circle {
  readonly name: string
  /** 64 hexadecimal digits. */
  readonly id: string
  /** Keys of the others; none when we have left. */
  readonly members: ReadonlySet<string>
}

/** See the module. */
export class Circles {
  readonly #context: PluginContext
  readonly #known = new Map<string, { circle: Circle | undefined; atMs: number }>()

  constructor(context: PluginContext) {
    this.#context = context
  }

  /**
   * Asks which group that is.
   *
   * @param group - Name or id.
   * @throws {AlliumError} `NOT_FOUND`; what else the messages plugin says.
   */
  async find(identity: Identity, group: string, call: Pick<OfferCall, "signal">): Promise<Circle> {
    const input = { group, identity: identity.name }
    const more = { ...call, progress: () => {} }
    const { success, data } = groupShape.safeParse(
      await this.#context.ask("group show", input, more),
    )
    if (!success) throw new AlliumError("NOT_FOUND", "Cannot find group: nobody knows of groups")
    const { name, id, role, members } = data
    const others = role === "gone" ? [] : members.filter(({ isYou }) => !isYou)
    const circle = { name, id, members: new Set(others.map(({ key }) => key)) }
    this.#keep(identity, id, circle)
    return circle
  }

  /** Asks again, if that was a while ago. Never rejects. */
  async look(identity: Identity, id: string): Promise<void> {
    const known = this.#known.get(keyOf(identity.key, id))
    const nowMs = this.#context.clock.monotonicMs()
    if (known !== undefined && nowMs - known.atMs < LOOK_EVERY_MS) return
    const { signal } = this.#context
    await this.find(identity, id, { signal }).catch(() => this.#keep(identity, id, undefined))
  }

  /** What was said last; `undefined` when it cannot be told. */
  known(identity: string, id: string): Circle | undefined {
    return this.#known.get(keyOf(identity, id))?.circle
  }

  /** Whether a contact is known to be in it. */
  has(identity: string, id: string, contact: string): boolean {
    return this.known(identity, id)?.members.has(contact) === true
  }

  #keep({ key }: Identity, id: string, circle: Circle | undefined): void {
    this.#known.set(keyOf(key, id), { circle, atMs: this.#context.clock.monotonicMs() })
  }
}

function keyOf(identity: string, id: string): string {
  return `${identity}/${id}`
}
