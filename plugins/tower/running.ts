/**
 * A tower that runs: a session of its own, and the engine behind it.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import {
  formatTowerUri,
  type Listener,
  MAILBOX_PROTOCOL,
  openTowerEngine,
  type PluginContext,
  Scope,
  type Session,
  serveMailbox,
  type TowerEngine,
  UploadBudget,
} from "allium/plugin"
import type { TowerState } from "./offers.ts"

/** Names the session; its keys stay, and so does the address. */
const SESSION = "mailbox"
/** Blobs on their way in, over all who come: four of the largest. */
const UPLOADS_BYTES = 67_108_864

/** See the module. */
export class RunningTower implements AsyncDisposable {
  readonly #session: Session
  readonly #listener: Listener
  readonly #engine: TowerEngine
  readonly #scope: Scope

  private constructor(parts: {
    session: Session
    listener: Listener
    engine: TowerEngine
    scope: Scope
  }) {
    this.#session = parts.session
    this.#listener = parts.listener
    this.#engine = parts.engine
    this.#scope = parts.scope
  }

  /** Opens what is kept, and answers; the session comes up by itself. */
  static async open(context: PluginContext, capBytes: number): Promise<RunningTower> {
    await using scope = new Scope()
    const { clock } = context
    const random = (byteCount: number) => new Uint8Array(randomBytes(byteCount))
    const store = context.store.room("mailbox")
    const engine = scope.use(await openTowerEngine({ store, clock, random, limits: { capBytes } }))
    const session = scope.use(await context.session({ name: SESSION, keys: "persistent" }))
    const uploads = new UploadBudget(UPLOADS_BYTES)
    const { signal } = scope
    const listener = scope.use(
      await context.listen(session, MAILBOX_PROTOCOL, ({ channel }) =>
        serveMailbox(channel, engine, { signal, clock, uploads }),
      ),
    )
    return new RunningTower({ session, listener, engine, scope: scope.move() })
  }

  /** @returns What to give to a friend. */
  async invite(count: number, label?: string): Promise<string> {
    const invitation = await this.#engine.makeInvitation(count, label)
    const { b32: address } = this.#session.destination
    return formatTowerUri({ key: this.#listener.key, address, invitation })
  }

  report(): TowerState {
    const { queues, envelopes, bytes, capBytes } = this.#engine.report()
    return {
      state: this.#session.state.name,
      address: this.#session.destination.b32,
      key: this.#listener.key,
      ...{ queues, envelopes, bytes, capBytes },
      visitors: this.#listener.visitorCount,
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }
}
