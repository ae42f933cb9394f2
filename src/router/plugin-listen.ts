/**
 * Links from anybody to a plugin: on a session of the plugin's own, with an Ed25519 key of its own.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { openLinkAcceptor } from "../link/acceptor.ts"
import type { Channel, Link } from "../link/link.ts"
import type { SamStream, Session } from "../sam/session.ts"
import { makeLinkSigner } from "./link-signer.ts"

/** Links from strangers to one plugin; each may hold 64 KiB for every channel. */
export const VISITORS_MAX = 256
/** A visitor proves itself within this, as on every link. */
const HANDSHAKE_MS = 15_000
/** For open channels when the listener ends: who asked is not answered any more, and asks again. */
const DRAIN_MS = 2_000

/** Who came: a key that was proven, which may be a throw-away one, and the channel it opened. */
export interface Visit {
  /** Ed25519 key of the link's other end, base64url, 43 characters. */
  readonly key: string
  readonly channel: Channel
}

/** What answers the links of one session. */
export interface Listener extends AsyncDisposable {
  /** Ed25519 key that callers must know, base64url, 43 characters; stays with the session's name. */
  readonly key: string
  /** Links that stand now. */
  readonly visitorCount: number
}

/** What a listener stands on. */
export interface ListenOptions {
  readonly session: Session
  /** Of the key: 32 bytes. */
  readonly seed: Uint8Array
  readonly protocol: string
  /** Owns the channel. */
  readonly handle: (visit: Visit) => Promise<void>
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
}

/** Begins to answer; beyond {@linkcode VISITORS_MAX} links, the one that has been quiet for longest ends. */
export function openListener(options: ListenOptions): Listener {
  return new PluginListener(options)
}

class PluginListener implements Listener {
  readonly key: string
  readonly #options: ListenOptions
  readonly #scope = new Scope()
  /** Open channels of each link, the link that changed last at the end. */
  readonly #links = new Map<Link, number>()
  readonly #channels = new Set<Channel>()

  constructor(options: ListenOptions) {
    this.#options = options
    const { session, clock, random, log } = options
    const identity = makeLinkSigner(options.seed)
    this.key = Buffer.from(identity.publicKey).toString("base64url")
    const { destination } = session
    const limits = { handshakeMs: HANDSHAKE_MS, drainMs: DRAIN_MS }
    const acceptor = this.#scope.use(
      openLinkAcceptor({ identity, destination, clock, random, log, limits }),
    )
    this.#scope.defer(async () => {
      for (const channel of this.#channels) channel.destroy()
      await Promise.all([...this.#links.keys()].map(close))
    })
    const { signal } = this.#scope
    const accept = async (stream: SamStream) => {
      const link = await acceptor.accept(stream, { signal })
      if (link !== undefined) await this.#serve(link)
    }
    void this.#acceptAll(accept).catch((thrown: unknown) => this.#tell("ended", thrown))
  }

  get visitorCount(): number {
    return this.#links.size
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  async #acceptAll(accept: (stream: SamStream) => Promise<void>): Promise<void> {
    for await (const stream of this.#options.session.incoming) {
      if (this.#scope.signal.aborted) stream.destroy()
      else void accept(stream).catch((thrown: unknown) => this.#tell("handshake", thrown))
    }
  }

  async #serve(link: Link): Promise<void> {
    this.#makeRoom()
    this.#links.set(link, 0)
    void link.closed.then(() => this.#links.delete(link))
    for await (const channel of link.incoming) this.#dispatch(link, channel)
  }

  #dispatch(link: Link, channel: Channel): void {
    channel.on("error", (thrown) => this.#tell("channel", thrown))
    if (channel.protocol !== this.#options.protocol)
      return void channel.destroy(
        new AlliumError("CHANNEL_REFUSED", "Cannot open channel: nobody answers it"),
      )
    this.#count(link, 1)
    this.#channels.add(channel)
    channel.once("close", () => {
      this.#channels.delete(channel)
      this.#count(link, -1)
    })
    const key = Buffer.from(link.peer.identityKey).toString("base64url")
    this.#options.handle({ key, channel }).catch((thrown: unknown) => {
      this.#tell("handler", thrown)
      channel.destroy()
    })
  }

  #count(link: Link, by: 1 | -1): void {
    const open = this.#links.get(link)
    if (open === undefined) return
    this.#links.delete(link)
    this.#links.set(link, open + by)
  }

  /** A link without channels goes first; when all are busy, the one that is so for longest. */
  #makeRoom(): void {
    if (this.#links.size < VISITORS_MAX) return
    const [oldest] = this.#links.keys()
    const idle = [...this.#links].find(([, open]) => open === 0)?.[0]
    const victim = idle ?? oldest
    if (victim === undefined) return
    this.#links.delete(victim)
    void close(victim)
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`visit.${event}`, { code: toAlliumError(thrown).code })
  }
}

async function close(link: Link): Promise<void> {
  await Promise.resolve(link[Symbol.asyncDispose]()).catch(() => {})
}
