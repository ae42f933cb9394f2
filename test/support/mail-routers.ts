/**
 * Routers in one process on an embedded network, each with notes and a tower if it wants; they can be stopped and started.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { tower } from "../../plugins/tower/index.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import type { Plugin } from "../../src/router/plugin.ts"
import { createRouter, type Router } from "../../src/router/router.ts"
import { notes } from "./notes.ts"
import { eventually } from "./story.ts"

const PATIENCE_MS = 90_000

/** One home; at times there is a router on it. */
export class MailRouter {
  readonly home: string
  readonly #bridge: EmbeddedBridge
  plugins: readonly Plugin[] = [notes, tower]
  #router: Router | undefined

  constructor(home: string, bridge: EmbeddedBridge) {
    this.home = home
    this.#bridge = bridge
  }

  get router(): Router {
    if (this.#router === undefined) throw new Error("The router does not run")
    return this.#router
  }

  async start(): Promise<void> {
    const network = { choice: "embedded", sam: this.#bridge.address } as const
    const { home, plugins } = this
    this.#router = await createRouter({ home, network, plugins, tunnels: [] })
  }

  async stop(): Promise<void> {
    const router = this.#router
    this.#router = undefined
    await router?.[Symbol.asyncDispose]()
  }

  async ask<T = unknown>(verb: string, input: Record<string, unknown> = {}): Promise<T> {
    const call = { signal: new AbortController().signal, progress: () => {} }
    const answer = await this.router.offers.run(verb, input, call)
    return ("document" in answer ? answer.document : undefined) as T
  }

  /** Asks until the answer is as wanted. */
  until<T>(verb: string, input: Record<string, unknown>, wanted: (answer: T) => boolean) {
    return eventually(() => this.ask<T>(verb, input), wanted, PATIENCE_MS)
  }
}

/** Several homes on one network. */
export interface MailWorld extends AsyncDisposable {
  readonly bridge: EmbeddedBridge
  readonly folder: string
  router(name: string): MailRouter
}

export async function openMailWorld(): Promise<MailWorld> {
  const bridge = await openEmbeddedBridge()
  const folder = await mkdtemp(join(tmpdir(), "allium-mail-"))
  const routers: MailRouter[] = []
  return {
    bridge,
    folder,
    router(name) {
      const made = new MailRouter(join(folder, name), bridge)
      routers.push(made)
      return made
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(routers.map((one) => one.stop()))
      await bridge[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Whoever can be asked. */
type Asked = Pick<MailRouter, "ask" | "until">

/** Makes the identities of two routers contacts of each other. */
export async function makeContacts(
  left: Asked,
  right: Asked,
  names: { left: string; right: string },
): Promise<void> {
  const { uri } = await right.ask<{ uri: string }>("contact card", { identity: names.right })
  await left.ask("contact add", { uri, name: names.right, as: names.left, identity: names.left })
  const list = (who: Asked, identity: string, state: string) =>
    who.until<{ state: string }[]>("contact list", { identity }, (all) =>
      all.some((one) => one.state === state),
    )
  await list(right, names.right, "asking")
  await right.ask("contact accept", { contact: names.left, identity: names.right })
  await list(left, names.left, "accepted")
}
