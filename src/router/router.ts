/**
 * The running whole: network, sessions, links, plugins and tunnels of one home.
 *
 * @module
 */
import { type Clock, systemClock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { type Log, silentLog } from "../base/log.ts"
import { type Chance, type RandomBytes, systemRandom } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Turns } from "../base/turns.ts"
import { openIdentityBook } from "../identity/book.ts"
import type { Contact } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { PostNews } from "../mail/post/options.ts"
import { COOL_DOWN_MS, openKeyGuard } from "../sam/key-guard.ts"
import { openStore } from "../store/open-store.ts"
import { openVault } from "../store/unlock.ts"
import { type BackupOffice, openBackupOffice } from "./backup-office.ts"
import { type ContactDesk, openContactDesk } from "./contact-desk.ts"
import { ContactNewsDesk } from "./contact-news.ts"
import { answerBackupOffers } from "./core/backup-offers.ts"
import { answerContactOffers } from "./core/contact-offers.ts"
import { answerDeviceOffers } from "./core/device-offers.ts"
import { answerFeedOffers } from "./core/feed-offers.ts"
import { answerIdentityOffers } from "./core/identity-offers.ts"
import { answerNameOffers } from "./core/name-offers.ts"
import { answerPluginOffers } from "./core/plugin-offers.ts"
import { answerStatusOffers } from "./core/status-offers.ts"
import { answerTowerOffers, type Reach } from "./core/tower-offers.ts"
import { answerTunnelOffers } from "./core/tunnel-offers.ts"
import { type DeviceBook, openDeviceBook } from "./device-book.ts"
import { type DeviceDesk, deviceBackup, openDeviceDesk } from "./device-desk.ts"
import { DEVICES_TOPIC, type DeviceLetter } from "./device-letters.ts"
import { diagnose } from "./doctor.ts"
import { EventBus } from "./events.ts"
import { type Home, openHome } from "./home.ts"
import { CONTACTS_TOPIC } from "./introduction-letters.ts"
import { openKeyMemory } from "./key-memory.ts"
import { type Links, openLinks } from "./links.ts"
import { requireLinked } from "./mail-devices.ts"
import { openConflicts } from "./names/conflicts.ts"
import { openFeedKeeper } from "./names/feed-keeper.ts"
import { openFeedNames } from "./names/feed-names.ts"
import { openFeedVisits } from "./names/feed-visits.ts"
import { NameDesk } from "./names/name-desk.ts"
import { openPublisher } from "./names/publisher.ts"
import { openOwnNames } from "./names.ts"
import { type Network, type NetworkOptions, openNetwork } from "./network.ts"
import { OfferBook } from "./offers.ts"
import type { Plugin } from "./plugin.ts"
import { openPluginHost, type PluginHost } from "./plugin-host.ts"
import { openPluginShelf } from "./plugin-shelf.ts"
import { openPostOffice, type PostOffice } from "./post-office.ts"
import { openRecentPeers } from "./recent-peers.ts"
import { contactNames, openResolver, type Resolver } from "./resolver.ts"
import { openSessionBudget, SESSIONS_MAX, type SessionBudget } from "./session-budget.ts"
import { openSessions, type SessionOwner, type Sessions } from "./sessions.ts"
import { makeStatus } from "./status.ts"
import type { TunnelKind } from "./tunnel.ts"
import { openTunnelHost, type TunnelHost } from "./tunnel-host.ts"
import { VERSION } from "./version.ts"

/** Part of every backup that no plugin can be named like. */
const DEVICES_PART = "core/devices"

/** How a router is set up. */
export interface RouterOptions {
  /** Absolute path of the home folder; made when missing. */
  readonly home: string
  readonly network: Pick<NetworkOptions, "choice" | "sam" | "i2pdExtraConfig">
  /** Unlocks the home; absent when its key lies in a file. */
  readonly passphrase?: string | undefined
  readonly plugins: readonly Plugin[]
  readonly tunnels: readonly TunnelKind[]
  /** Sessions of tunnels and plugins together; {@linkcode SESSIONS_MAX} by default. */
  readonly sessionsMax?: number | undefined
  readonly clock?: Clock
  readonly chance?: Chance
  readonly random?: RandomBytes
  readonly log?: Log
}

/** A running router. Closing it ends everything, in reverse order. */
export interface Router extends AsyncDisposable {
  readonly home: Home
  readonly network: Pick<Network, "kind" | "anonymous" | "bridgeName" | "answers">
  readonly identities: IdentityBook
  /** Everything that can be asked of it. */
  readonly offers: OfferBook
  readonly events: EventBus
  readonly version: string
}

/**
 * Opens a router. Resolves when it can be talked to; sessions come up afterwards.
 *
 * @throws {AlliumError} `NO_NETWORK`, `I2PD_MISSING`, `EMBEDDED_NOT_ASKED`, `WRONG_PASSPHRASE`,
 * `STORE_LOCKED`, `HOME_EXPOSED`, … Nothing stays open then.
 */
export async function createRouter(options: RouterOptions): Promise<Router> {
  await using opening = new Scope()
  const tools = {
    clock: options.clock ?? systemClock,
    chance: options.chance ?? Math.random,
    random: options.random ?? systemRandom,
    log: options.log ?? silentLog,
  }
  const home = await openHome(options.home)
  const parts = await openParts(options, home, tools, opening)
  const upper = await openUpper(options, home, tools, parts, opening)
  answerOffers(options, home, tools, { ...parts, ...upper })
  const { network, identities, offers, events } = parts
  const owned = opening.move()
  return {
    home,
    network,
    identities,
    offers,
    events,
    version: VERSION,
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

/** Time, randomness and log; handed to every part. */
interface Tools {
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** What stands below contacts, plugins and tunnels. */
interface Parts {
  readonly network: Network
  readonly identities: IdentityBook
  readonly own: DeviceBook
  readonly sessions: Sessions
  readonly links: Links
  readonly offers: OfferBook
  readonly events: EventBus
  readonly store: Awaited<ReturnType<typeof openStore>>
  readonly stage: Stage
}

/** Which identities have a session and links. */
interface Stage {
  readonly attach: (identity: Identity) => void
  readonly detach: (identity: Identity) => Promise<void>
}

async function openParts(
  options: RouterOptions,
  home: Home,
  tools: Tools,
  scope: Scope,
): Promise<Parts> {
  const { clock, random, log } = tools
  const { masterKey } = await openVault(home.folder, {
    random,
    ...(options.passphrase !== undefined && { passphrase: options.passphrase }),
  })
  const store = scope.use(await openStore({ folder: home.store, key: masterKey, clock, log }))
  const identities = await openIdentityBook({
    store: store.room("identity"),
    folder: home.keys,
    masterKey,
    clock,
    random,
  })
  const { signal } = scope
  const network = scope.use(
    await openNetwork({ ...options.network, i2pdFolder: home.i2pd, ...tools, signal }),
  )
  const events = new EventBus({ clock, epoch: Buffer.from(random(6)).toString("hex") })
  const sessions = scope.use(
    openSessions({
      ...tools,
      bridge: () => network.bridge(),
      store: store.room("sessions"),
      guard: openKeyGuard({ clock, memory: openKeyMemory(store.room("sessions")) }),
      coolDownMs: network.kind === "embedded" ? 0 : COOL_DOWN_MS,
      onState: ({ owner, state }) =>
        events.emit("session.changed", { owner: owner.kind, name: owner.name, state: state.name }),
    }),
  )
  const own = await openDeviceBook(store.room("devices"))
  const recent = await openRecentPeers(store.room("links"), log)
  const links = scope.use(openLinks({ ...tools, identities, own, recent }))
  const stage = openStage(sessions, links, scope)
  const offers = new OfferBook()
  return { network, identities, own, sessions, links, offers, events, store, stage }
}

function openStage(sessions: Sessions, links: Links, scope: Scope): Stage {
  const standing = new Map<string, Scope>()
  // `scope` is handed over when the router stands; identities may come later.
  scope.defer(() => Promise.all([...standing.values()].map((life) => life.close())))
  return {
    attach(identity) {
      if (standing.has(identity.key)) return
      const life = new Scope()
      standing.set(identity.key, life)
      const owner = { kind: "identity", name: identity.name } as const
      links.attach(identity, sessions.open(owner, identity.destinationKeys(), life))
    },
    async detach(identity) {
      const life = standing.get(identity.key)
      standing.delete(identity.key)
      await links.detach(identity)
      await life?.close()
    },
  }
}

/** What stands on the parts. */
interface Upper {
  readonly desk: ContactDesk
  readonly devices: DeviceDesk
  readonly post: PostOffice
  readonly backups: BackupOffice
  readonly budget: SessionBudget
  /** Opens what an identity needs; for those that were created or restored. */
  readonly onNew: (identity: Identity) => Promise<void>
  readonly setReach: (identity: Identity, reach: Reach) => Promise<void>
  readonly plugins: PluginHost
  readonly tunnels: TunnelHost
  readonly resolver: Resolver
}

/** Everything that knows names, in order of who is believed. */
async function openNames(tools: Tools, parts: Parts, scope: Scope) {
  const { clock } = tools
  const { store, identities, network, sessions } = parts
  const room = store.room("names")
  const petnames = await openOwnNames(room, "petname", clock.now)
  const pinned = await openOwnNames(room, "pinned", clock.now)
  const conflicts = await openConflicts(room)
  const fed = await openFeedNames({ store: room, conflicts, pinned })
  const lists = [petnames, contactNames(identities), pinned, fed]
  const { signal } = scope
  const bridge = () => network.bridge()
  const resolver = openResolver({ layers: lists, bridge, clock, signal })
  const desk = new NameDesk({ petnames, pinned, conflicts, resolver, lists, now: clock.now })
  const visit = openFeedVisits({ ...tools, sessions, resolver })
  const feeds = await openFeedKeeper({ ...tools, store: room, names: fed, visit })
  const running = feeds.run(signal)
  scope.defer(() => running)
  return { petnames, resolver, desk, feeds }
}

async function openUpper(
  options: RouterOptions,
  home: Home,
  tools: Tools,
  parts: Parts,
  scope: Scope,
): Promise<Upper> {
  const { identities, own, links, sessions, offers, events, store } = parts
  const emit = (event: string, data: Readonly<Record<string, unknown>>) => events.emit(event, data)
  const names = await openNames(tools, parts, scope)
  const { resolver } = names
  let safety: BackupOffice | undefined
  let devices: DeviceDesk | undefined
  const deviceDesk = () => {
    if (devices !== undefined) return devices
    throw new AlliumError("BUSY", "Cannot speak with other devices: the router is starting")
  }
  const onTower = (identity: Identity) => {
    emit("tower.changed", { identity: identity.name })
    safety?.changed(identity)
  }
  const contactNews = new ContactNewsDesk()
  const onNews = (identity: Identity, contact: Contact, what: PostNews) => {
    if (what !== "restored") return
    emit("contact.restored", { identity: identity.name, contact: contact.name })
    contactNews.tell({ identity, contact, what })
  }
  const onAsk = (identity: Identity, key: string) => {
    const contact = identities.contacts(identity).byKey(key)
    if (contact === undefined) return
    const { name, state } = contact
    emit("contact.changed", { identity: identity.name, contact: name, state })
  }
  const onDevice = async (identity: Identity, letter: DeviceLetter) =>
    deviceDesk().hear(identity, letter)
  const told = { onTower, onNews, onAsk, onDevice }
  const mail = { identities, own, links, sessions, store: store.room("mail"), ...told }
  const post = scope.use(await openPostOffice({ ...tools, ...mail }))
  const letters = post.mailFor(CONTACTS_TOPIC, scope, { isPrivate: true })
  const contacts = store.room("contacts")
  const doors = {
    of: (identity: Identity) => post.doors(identity),
    onRequest: (handler: Parameters<PostOffice["onDoorRequest"]>[0]) => post.onDoorRequest(handler),
  }
  const desk = scope.use(
    await openContactDesk({
      ...{ ...tools, identities, links, letters, doors, store: contacts, emit },
      doorOf: async (identity, key) => safety?.keepsakes.doorOf(identity, key),
      onTold: (identity, contact) => post.told(identity, contact),
      askByFirst: async (identity, uri, words) => deviceDesk().ask(identity, uri, words),
    }),
  )
  const onNew = async (identity: Identity) => {
    await post.open(identity)
    safety?.keep(identity)
    const isHere = post.reach(identity) === "reachable" && !own.isUnlinked(identity)
    if (isHere) parts.stage.attach(identity)
  }
  const turns = new Turns()
  const reachBy = (set: PostOffice["setReach"]) => (identity: Identity, reach: Reach) =>
    turns.take(async () => {
      requireLinked(own, identity)
      await set.call(post, identity, reach)
      await (reach === "reachable" ? parts.stage.attach(identity) : parts.stage.detach(identity))
    })
  const base = {
    ...{ identities, links, sessions, post, store: store.room("backups"), emit, onNew },
    onPost: (identity: Identity) => post.open(identity),
    bringReach: reachBy(post.bringReach),
  }
  const backups = scope.use(await openBackupOffice({ ...tools, ...base }))
  safety = backups
  backups.backups.part(DEVICES_PART, deviceBackup(own), scope)
  devices = scope.use(
    await openDeviceDesk({
      ...{ ...tools, identities, own, links, sessions, post, emit, onNew },
      onUnlinked: (identity) => turns.take(() => parts.stage.detach(identity)),
      letters: post.mailFor(DEVICES_TOPIC, scope, { isPrivate: true }),
      desk: () => desk,
      parts: backups.backups.parts,
      store: store.room("devices"),
    }),
  )
  const budget = openSessionBudget(options.sessionsMax ?? SESSIONS_MAX, () =>
    sessions.list().flatMap(({ owner }) => (isCounted(owner.kind) ? [] : [owner])),
  )
  const plugins = scope.use(
    await openPluginHost(options.plugins, {
      ...tools,
      store,
      folder: home.plugins,
      identities,
      links,
      sessions,
      budget,
      offers,
      events,
      contactNews,
      mailFor: (plugin, plugged) => post.mailFor(plugin, plugged),
      blobs: backups.blobs,
      backupPart: (plugin, part, plugged) => backups.backups.part(plugin, part, plugged),
    }),
  )
  const shelf = await openPluginShelf({ ...tools, store: store.room("plugins"), host: plugins })
  answerPluginOffers(offers, plugins, shelf)
  const tunnels = scope.use(
    await openTunnelHost({
      ...tools,
      kinds: options.tunnels,
      store: store.room("tunnels"),
      folder: home.tunnels,
      sessions,
      budget,
      lookup: async (host, call) => {
        const { address, source, signed } = await resolver.lookup(host, call)
        return { address, source, isPublic: signed === true }
      },
      pin: (name, address) => names.desk.pin(name, address),
      emit,
    }),
  )
  // Last, so that every protocol has its answerer before the first peer arrives.
  await post.start()
  for (const identity of identities.list()) await onNew(identity)
  answerNameOffers(offers, names)
  const publish = openPublisher({ ...tools, sessions, tunnels, offers })
  answerFeedOffers(offers, names.feeds, publish)
  const setReach = reachBy(post.setReach)
  return { desk, devices, post, backups, budget, plugins, tunnels, resolver, onNew, setReach }
}

/** Whose sessions take a place in the budget. */
function isCounted(kind: SessionOwner["kind"]): boolean {
  return kind === "tunnel" || kind === "plugin"
}

function answerOffers(
  options: RouterOptions,
  home: Home,
  tools: Tools,
  parts: Parts & Upper,
): void {
  const { offers, identities, desk, links, tunnels, post, backups, onNew, setReach } = parts
  const startedMs = tools.clock.monotonicMs()
  const view = { ...parts, home, version: VERSION }
  const onCards = (identity: Identity) => {
    post.doors(identity).changed()
    backups.changed(identity)
  }
  answerIdentityOffers(offers, { identities, own: parts.own }, onNew, async (identity) => {
    await parts.devices.alone(identity, "rotate key", () => desk.rotate(identity))
    onCards(identity)
  })
  answerBackupOffers(offers, { identities, ...backups })
  answerDeviceOffers(offers, { identities, desk: parts.devices })
  const doors = (identity: Identity) => post.doors(identity)
  const asking = (identity: Identity, key: string) =>
    post.isOpen(identity) ? doors(identity).asking(key) : undefined
  answerContactOffers(offers, { identities, desk, links, doors, asking, onCards })
  answerTunnelOffers(offers, options.tunnels, tunnels)
  const towersOf = (identity: Identity) => post.towers(identity)
  const isOpen = (identity: Identity) => post.isOpen(identity)
  answerTowerOffers(offers, { identities, towersOf, isOpen, setReach })
  answerStatusOffers(offers, {
    status: () => makeStatus(view, tools.clock, startedMs),
    doctor: (call) => diagnose(view, call),
  })
}
