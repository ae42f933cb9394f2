/**
 * Starts plugins, hands each its door, and stops each without harm to the others.
 *
 * @module
 */
import { join } from "node:path"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import type { IdentityBook } from "../identity/identity.ts"
import { encryptedOptions } from "../sam/reader-keys.ts"
import type { Session } from "../sam/session.ts"
import type { StoreRoom } from "../store/store.ts"
import type { ContactNewsDesk } from "./contact-news.ts"
import type { EventBus } from "./events.ts"
import { makePrivateFolder } from "./home.ts"
import type { Links } from "./links.ts"
import type { OfferBook } from "./offers.ts"
import type { BackupPart, Plugin, PluginBlobs, PluginContext, PluginMail } from "./plugin.ts"
import { openListener } from "./plugin-listen.ts"
import type { SessionBudget } from "./session-budget.ts"
import type { SessionOwner, Sessions } from "./sessions.ts"

/** A plugin that takes longer than this to start is given up. */
const START_PATIENCE_MS = 30_000

/** How a plugin fares. */
export interface PluginReport {
  readonly name: string
  readonly state: "running" | "failed"
  /** Why it failed. */
  readonly reason?: string
}

/** The plugins of a router. */
export interface PluginHost extends AsyncDisposable {
  list(): readonly PluginReport[]
  /** Starts one; never rejects: a plugin that fails is in the list with its reason. */
  readonly start: (plugin: Plugin) => Promise<PluginReport>
  /** Puts a plugin that could not even be loaded into the list. */
  reportFailure(name: string, reason: string): void
  /** Ends one and takes it from the list. */
  stop(name: string): Promise<void>
}

/** What plugins stand on. */
export interface PluginHostOptions {
  readonly store: StoreRoom
  readonly folder: string
  readonly identities: IdentityBook
  readonly links: Links
  readonly sessions: Sessions
  /** Every session of a plugin takes a place. */
  readonly budget: SessionBudget
  readonly offers: OfferBook
  readonly events: EventBus
  readonly contactNews: Pick<ContactNewsDesk, "listen">
  /** Letters of one plugin; ends with `scope`. */
  readonly mailFor: (plugin: string, scope: Scope) => PluginMail
  readonly blobs: PluginBlobs
  readonly backupPart: (plugin: string, part: BackupPart, scope: Scope) => void
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
}

interface Standing {
  readonly report: PluginReport
  readonly scope: Scope
}

/** Starts all plugins side by side; one that fails is reported and the rest run. */
export async function openPluginHost(
  plugins: readonly Plugin[],
  options: PluginHostOptions,
): Promise<PluginHost> {
  const standing = new Map<string, Standing>()
  const startOne = async (plugin: Plugin): Promise<PluginReport> => {
    const scope = new Scope()
    const report = standing.has(plugin.name)
      ? failed(`${plugin.name} again`, `another plugin is named "${plugin.name}"`)
      : await startReported(plugin, options, scope)
    standing.set(report.name, { report, scope })
    return report
  }
  await Promise.all(plugins.map(startOne))
  return {
    list: () => [...standing.values()].map(({ report }) => report),
    start: startOne,
    reportFailure: (name, reason) =>
      void standing.set(name, { report: failed(name, reason), scope: new Scope() }),
    async stop(name) {
      const { scope } = standing.get(name) ?? {}
      standing.delete(name)
      await scope?.close()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...standing.values()].map(({ scope }) => scope.close()))
    },
  }
}

function failed(name: string, reason: string): PluginReport {
  return { name, state: "failed", reason }
}

async function startReported(
  plugin: Plugin,
  options: PluginHostOptions,
  scope: Scope,
): Promise<PluginReport> {
  try {
    await start(plugin, options, scope)
    return { name: plugin.name, state: "running" }
  } catch (thrown) {
    const { code, message } = toAlliumError(thrown)
    options.log.error("plugin.failed", { plugin: plugin.name, code })
    await scope.close().catch(() => {})
    return failed(plugin.name, `${message} (${code})`)
  }
}

async function start(plugin: Plugin, options: PluginHostOptions, scope: Scope): Promise<void> {
  const folder = join(options.folder, plugin.name)
  await makePrivateFolder(folder)
  const waiting = new Set(plugin.offers)
  // Sessions end after the plugin, whenever they were opened: it may have to take leave on them.
  const held = scope.use(new Scope())
  const context = makeContext(plugin, folder, options, { scope, held }, waiting)
  const started = await Promise.race([plugin.start(context), giveUp(plugin.name, scope.signal)])
  if (started !== undefined) scope.use(started)
  const [unanswered] = waiting
  if (unanswered !== undefined)
    throw new AlliumError(
      "PLUGIN_FAILED",
      `Cannot start plugin: no runner for "${unanswered.verb}"`,
    )
}

function giveUp(name: string, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const message = `Cannot start plugin "${name}": not ready after ${START_PATIENCE_MS / 1_000} s`
    const timer = setTimeout(
      () => reject(new AlliumError("PLUGIN_FAILED", message)),
      START_PATIENCE_MS,
    )
    timer.unref()
    signal.addEventListener("abort", () => clearTimeout(timer))
  })
}

function makeContext(
  plugin: Plugin,
  folder: string,
  options: PluginHostOptions,
  { scope, held }: { readonly scope: Scope; readonly held: Scope },
  waiting: Set<Plugin["offers"][number]>,
): PluginContext {
  const { identities, links, sessions, offers, events, clock, random } = options
  /** Sessions of the plugin that nobody listens on yet. */
  const unheard = new WeakMap<Session, SessionOwner>()
  return {
    signal: scope.signal,
    log: options.log.child(plugin.name),
    clock,
    store: options.store.room(`plugin/${plugin.name}`),
    folder,
    identities,
    contacts: {
      list: (identity) => identities.contacts(identity).list(),
      find: (identity, nameOrKey) => identities.contacts(identity).find(nameOrKey),
    },
    answer(offer, run) {
      if (!waiting.delete(offer))
        throw new TypeError(
          `Cannot answer "${offer.verb}": not among the plugin's offers, or twice`,
        )
      scope.defer(offers.register(offer, run))
    },
    emit: (event, data) => events.emit(`${plugin.name}.${event}`, data),
    serve: (protocol, handle) => scope.defer(links.serve(protocol, handle)),
    open: (to, protocol, call) => links.open(to, protocol, call),
    onReachable: (listener) => scope.defer(links.onReachable(listener)),
    onContact: (listener) => scope.defer(options.contactNews.listen(listener)),
    mail: options.mailFor(plugin.name, scope),
    blobs: options.blobs,
    backup: (part) => options.backupPart(plugin.name, part, scope),
    async ask(verb, input, call) {
      const answer = await offers.run(verb, input, call)
      return "document" in answer ? answer.document : answer.documents
    },
    async session({ name, keys, readers }) {
      const owner = ownerOf(plugin, name)
      const i2cp = readers === undefined ? {} : encryptedOptions(readers)
      const session = await inBudget(options.budget, owner, () =>
        sessions.openOwn(owner, keys, held, i2cp),
      )
      unheard.set(session, owner)
      return session
    },
    async listen(session, protocol, handle) {
      const owner = unheard.get(session)
      if (owner === undefined)
        throw new TypeError("Cannot listen: not a session of this plugin, or listened on already")
      unheard.delete(session)
      const seed = await sessions.linkSeed(owner)
      const log = options.log.child(plugin.name)
      return scope.use(openListener({ session, seed, protocol, handle, clock, random, log }))
    },
    forgetSession: (name) => sessions.forget(ownerOf(plugin, name)),
  }
}

/** The place is given back when the session closes, whoever closes it. */
async function inBudget(
  budget: SessionBudget,
  owner: SessionOwner,
  open: () => Promise<Session>,
): Promise<Session> {
  const giveBack = budget.take(owner)
  try {
    const session = await open()
    session.watch(({ name }) => {
      if (name === "closed") giveBack()
    })
    if (session.state.name === "closed") giveBack()
    return session
  } catch (error) {
    giveBack()
    throw error
  }
}

function ownerOf(plugin: Plugin, name: string): SessionOwner {
  return { kind: "plugin", name: `${plugin.name}/${name}` }
}
