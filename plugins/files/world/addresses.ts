/**
 * The addresses torrents are shared at: one for the public, apart from every identity, and one for each share that wants its own.
 *
 * One session serves announces and peers: trackers name the destination an announce comes from.
 *
 * @module
 */
import {
  decodeBase32,
  type PluginContext,
  type SamStream,
  Scope,
  type Session,
  Slots,
  toAlliumError,
} from "allium/plugin"
import { SwarmRegistry } from "../swarm/index.ts"
import { sealAnswered } from "./secret-lines.ts"

/** The address of everything that was not given one of its own. */
export const PUBLIC = "public"
/** Dials of all torrents at one address at once: i2pd answers no more while it looks for LeaseSets. */
const DIALS_MAX = 24
/** Streams others opened, at one address. */
const INCOMING_MAX = 400

/** An address that stands, and who answers there. */
export interface Address {
  readonly name: string
  readonly session: Session
  /** Swarms added here get the streams that are meant for them. */
  readonly registry: SwarmRegistry
  readonly dials: Slots
}

/** All of them; each opens with the first torrent that uses it, and closes after the last. */
export class Addresses implements AsyncDisposable {
  readonly #context: Pick<PluginContext, "session" | "forgetSession" | "clock" | "log">
  readonly #open = new Map<string, { users: number; opened: Promise<OpenAddress> }>()

  constructor(context: Pick<PluginContext, "session" | "forgetSession" | "clock" | "log">) {
    this.#context = context
  }

  /**
   * The session may still be opening. Give it back with {@linkcode leave}.
   *
   * @param secret - Only who knows it is answered there; of an address of its own, always the same.
   */
  async take(name: string, secret?: Uint8Array): Promise<Address> {
    const opened = () => openAddress(name, this.#context, secret)
    const known = this.#open.get(name) ?? { users: 0, opened: opened() }
    this.#open.set(name, known)
    known.users++
    try {
      return await known.opened
    } catch (error) {
      this.#open.delete(name)
      throw error
    }
  }

  /** @param forget - Its keys are forgotten too: it never comes back. */
  async leave({ name }: Pick<Address, "name">, forget = false): Promise<void> {
    const known = this.#open.get(name)
    if (known === undefined || --known.users > 0) return
    this.#open.delete(name)
    const address = await known.opened
    await address.scope.close()
    if (forget) await this.#context.forgetSession(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(
      all.map(({ opened }) =>
        opened.then(
          ({ scope }) => scope.close(),
          () => {},
        ),
      ),
    )
  }
}

interface OpenAddress extends Address {
  readonly scope: Scope
}

async function openAddress(
  name: string,
  { session: open, clock, log }: Pick<PluginContext, "session" | "clock" | "log">,
  secret: Uint8Array | undefined,
): Promise<OpenAddress> {
  const scope = new Scope()
  const session = scope.use(await open({ name, keys: "persistent" }))
  const registry = new SwarmRegistry(clock)
  void admitAll(session, registry, secret).catch((error) => {
    log.error("shares.deaf", { code: toAlliumError(error).code })
  })
  return { name, session, registry, dials: new Slots(DIALS_MAX), scope }
}

async function admitAll(
  session: Session,
  registry: SwarmRegistry,
  secret: Uint8Array | undefined,
): Promise<void> {
  let count = 0
  for await (const stream of session.incoming) {
    if (count >= INCOMING_MAX) {
      stream.on("error", () => {})
      stream.destroy()
      continue
    }
    count++
    void admit(stream, registry, secret)
      .catch(() => {}) // they do not know the key: closed without a word
      .finally(() => count--)
  }
}

async function admit(
  stream: SamStream,
  registry: SwarmRegistry,
  secret: Uint8Array | undefined,
): Promise<void> {
  const name = stream.peer.b32
  const hash = decodeBase32(name.slice(0, 52))
  const sealed = secret === undefined ? stream : await sealAnswered(stream, secret)
  await registry.admit(sealed, { name, ...(hash && { hash }) })
}
