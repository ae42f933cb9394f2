/**
 * Sessions of the bridge: an ID, a style, and the endpoint behind it.
 *
 * @module
 */
import type { Endpoint, Receiver } from "./endpoint.ts"
import type { Listener } from "./listener.ts"

/** Where datagrams of a session go instead of its control socket. */
export interface ForwardAddress {
  readonly host: string
  readonly port: number
}

/** One SESSION CREATE or SESSION ADD that was answered with OK. */
export interface BridgeSession {
  readonly id: string
  readonly style: string
  readonly endpoint: Endpoint
  /** The number of the connection that owns it: closing that ends the session. */
  readonly connection: number
  /** The PRIMARY session this is part of. */
  readonly parent: BridgeSession | undefined
  readonly fromPort: number
  readonly toPort: number
  /** Of RAW datagrams it sends. */
  readonly protocol: number
  readonly listener: Listener | undefined
  readonly receiver: Receiver | undefined
}

/** Every session by its ID; bounded. */
export class Sessions {
  readonly #byId = new Map<string, BridgeSession>()
  /** IDs whose SESSION CREATE is under way. */
  readonly #reserved = new Set<string>()
  readonly #countMax: number

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  get size(): number {
    return this.#byId.size
  }

  get full(): boolean {
    return this.#byId.size + this.#reserved.size >= this.#countMax
  }

  find(id: string | undefined): BridgeSession | undefined {
    return id === undefined ? undefined : this.#byId.get(id)
  }

  has(id: string): boolean {
    return this.#byId.has(id) || this.#reserved.has(id)
  }

  /** Keeps an ID while its session is made; `undefined` when there are too many, else how to give it back. */
  reserve(id: string): (() => void) | undefined {
    if (this.full) return undefined
    this.#reserved.add(id)
    return () => this.#reserved.delete(id)
  }

  add(session: BridgeSession): void {
    this.#byId.set(session.id, session)
    if (session.listener) session.endpoint.listeners.add(session.listener)
    if (session.receiver) session.endpoint.receivers.add(session.receiver)
  }

  /** Takes a session out, and its subsessions; the endpoint is for the caller to detach. */
  remove(session: BridgeSession): void {
    this.#byId.delete(session.id)
    if (session.listener) session.endpoint.listeners.delete(session.listener)
    if (session.receiver) session.endpoint.receivers.delete(session.receiver)
    session.listener?.close()
    for (const child of this.childrenOf(session)) this.remove(child)
  }

  childrenOf(parent: BridgeSession): BridgeSession[] {
    return [...this.#byId.values()].filter((session) => session.parent === parent)
  }
}
