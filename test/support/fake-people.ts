/** People with identities, contact books and desks, joined by links and letters in memory. */
import { systemClock } from "../../src/base/clock.ts"
import { AlliumError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { systemRandom } from "../../src/base/random.ts"
import { formatContactUri } from "../../src/identity/contact-uri.ts"
import type { ContactBook } from "../../src/identity/contacts.ts"
import type { Identity, IdentityBook } from "../../src/identity/identity.ts"
import type { Reception } from "../../src/mail/post/post.ts"
import {
  type ContactDesk,
  type ContactDeskOptions,
  openContactDesk,
} from "../../src/router/contact-desk.ts"
import type { ChannelHandler } from "../../src/router/identity-links.ts"
import type { Links } from "../../src/router/links.ts"
import type { ArrivedLetter, PluginMail } from "../../src/router/plugin.ts"
import type { StoreRoom } from "../../src/store/store.ts"
import { openHome } from "../unit/identity/home.ts"
import { joinChannels } from "./fake-channel.ts"
import { FakeWorld } from "./fake-world.ts"

/** One person with one identity. */
export interface Person {
  readonly identity: Identity
  readonly identities: IdentityBook
  readonly contacts: ContactBook
  readonly desk: ContactDesk
  readonly links: Links
  readonly mail: PluginMail
  readonly store: StoreRoom
  /** Of the plain card. */
  readonly uri: string
  /** What the desk told: `contact.changed` and the like. */
  readonly events: { readonly event: string; readonly [member: string]: unknown }[]
  /** Gives a letter to the receiver of `mail`, as if `from` had sent it. */
  readonly deliver: (from: Person, content: Uint8Array) => Promise<Reception>
}

const nothing = { changes: [], done: () => {} }
/** Nobody here has a tower. */
const noDoors = {
  of: () => ({
    drop: () => nothing,
    own: { expect: () => nothing },
    canAnswer: () => false,
    awaits: () => false,
  }),
  onRequest() {},
} as unknown as ContactDeskOptions["doors"]

/** Everybody who can be reached. */
export class FakePeople {
  readonly world = new FakeWorld()
  readonly #handlers = new Map<string, Map<string, ChannelHandler>>()
  readonly #people = new Map<string, Person>()

  /** Somebody new, with a store of their own. */
  async join(name: string): Promise<Person> {
    const { store, book: identities } = await openHome()
    const identity = await identities.create(name)
    const handlers = new Map<string, ChannelHandler>()
    this.#handlers.set(identity.key, handlers)
    const links = this.#linksOf(identity, handlers)
    const events: Person["events"][number][] = []
    const { mail, deliver } = this.#mailOf(identity)
    const desk = await openContactDesk({
      onTold: () => {},
      identities,
      links,
      letters: mail,
      doors: noDoors,
      askByFirst: async () => {},
      doorOf: async () => undefined,
      store: store.room("contacts"),
      emit: (event, data) => void events.push({ event, ...data }),
      clock: systemClock,
      chance: Math.random,
      random: systemRandom,
      log: silentLog,
    })
    const contacts = identities.contacts(identity)
    const uri = formatContactUri({ key: identity.key, address: identity.destination.b32 })
    const person = { identity, identities, contacts, desk, links, mail, store, uri, events }
    this.#people.set(identity.key, { ...person, deliver })
    return { ...person, deliver }
  }

  #linksOf(identity: Identity, handlers: Map<string, ChannelHandler>): Links {
    const serve = (protocol: string, handle: ChannelHandler) => {
      handlers.set(protocol, handle)
      return () => handlers.delete(protocol)
    }
    const openToAnyone: Links["openToAnyone"] = async (_, peer, protocol) => {
      const there = this.#people.get(peer.key)
      const handle = this.#handlers.get(peer.key)?.get(protocol)
      const contact = there?.contacts.byKey(identity.key)
      if (there === undefined || handle === undefined || contact?.state === "blocked")
        throw new AlliumError("PEER_UNREACHABLE", "Cannot connect: nobody answers")
      const [ours, theirs] = joinChannels(protocol, this.world)
      for (const side of [ours, theirs]) side.on("error", () => {}) // as every channel of a link
      const me = { peerKey: identity.key, peerAddress: identity.destination.b32, contact }
      handle({ identity: there.identity, ...me, channel: theirs }).catch(() => theirs.destroy())
      return ours
    }
    return {
      serveAnyone: serve,
      openToAnyone,
      contactChanged() {},
      onReachable: () => () => {},
      onRotated: () => () => {},
      rotated() {},
      reachable: () => [],
    } as unknown as Links
  }

  #mailOf(identity: Identity): Pick<Person, "mail" | "deliver"> {
    let handler: ((letter: ArrivedLetter) => Promise<Reception>) | undefined
    const deliver = async (from: Person, content: Uint8Array) => {
      const mine = this.#people.get(identity.key)
      const contact = mine?.contacts.find(from.identity.key)
      if (handler === undefined || contact === undefined) throw new Error("Nobody receives")
      const reception = await handler({ identity, contact, content, from: "contact" })
      await mine?.store.commit(reception.changes)
      reception.done?.()
      return reception
    }
    const mail: PluginMail = {
      send: async ({ contact }, { content }) => {
        const [from, to] = [this.#people.get(identity.key), this.#people.get(contact.key)]
        if (from !== undefined) await to?.deliver(from, content)
      },
      flash: async () => {},
      receive(taken) {
        handler = taken
      },
      onReport() {},
    }
    return { mail, deliver }
  }
}

/** Makes two people contacts of each other; `left` calls `right` by the name given, and the other way round. */
export async function befriend(left: [Person, string], right: [Person, string]): Promise<void> {
  const [[one, calls], [other, called]] = [left, right]
  await one.desk.request(one.identity, other.uri, { name: calls, greeting: "" })
  const asking = await until(() => other.contacts.byKey(one.identity.key))
  await other.contacts.rename(asking.key, called)
  await other.desk.accept(other.identity, called)
  await until(() => one.contacts.find(calls).state === "accepted" || undefined)
}

/** What `look` finds, as soon as it finds something. */
export async function until<T>(look: () => T | undefined): Promise<T> {
  for (let turn = 0; turn < 2_000; turn++) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  throw new Error("Still not so")
}
