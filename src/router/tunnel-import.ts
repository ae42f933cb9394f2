/**
 * Tunnels of i2pd and Java I2P become ours, with their keys: first as a plan, then in fact.
 *
 * @module
 */
import { open, readdir, stat } from "node:fs/promises"
import { basename, dirname, isAbsolute, join } from "node:path"
import { z } from "zod"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import { readKeyFile } from "../sam/private-keys.ts"
import { schemaOf } from "./offer-description.ts"
import type { TunnelKind } from "./tunnel.ts"
import { type ConfigTunnel, parseTunnelConfig } from "./tunnel-config-files.ts"
import { planTunnel, SECTION_KEY, type TunnelPlan } from "./tunnel-config-map.ts"

/** A file with tunnels; i2pd's own example has 6 KiB. */
const CONFIG_BYTES_MAX = 1_048_576
/** Files in `tunnels.d` or `i2ptunnel.config.d`. */
const CONFIG_FILES_MAX = 256
/** A private key file with the longest keys known and an offline signature has less than 2 KiB. */
const KEY_FILE_BYTES_MAX = 8_192
const NAME_LENGTH = 32

/** What became of one line, or, with the key `[tunnel]`, of a tunnel. */
export interface ImportLine {
  /** Name of the file, without its folder. */
  readonly file: string
  readonly line: number
  readonly tunnel: string
  readonly key: string
  readonly fate: "mapped" | "ignored" | "refused" | "added"
  readonly says: string
}

/** Adds a tunnel; `keys` is a private key file that becomes its own. */
export type AddImported = (
  tunnel: { kind: string; name: string; options: Record<string, unknown>; stopped: boolean },
  keys: Uint8Array | undefined,
) => Promise<{ readonly address?: string }>

/** What {@linkcode importTunnels} needs. */
export interface ImportTools {
  readonly kinds: readonly TunnelKind[]
  /** Names that are taken. */
  readonly names: readonly string[]
  /** Who has an address here already. */
  readonly holder: (address: string) => Promise<string | undefined>
  /** Where key files lie that are named without a folder; the file's own folder when absent. */
  readonly keysFolder?: string | undefined
  /** Without it nothing is changed: a dry run. */
  readonly add?: AddImported | undefined
}

/**
 * Reads a file, or all of a folder (`tunnels.d`, `i2ptunnel.config.d`). Every line of every tunnel is told
 * of, in order; a tunnel that cannot be taken leaves the others alone.
 *
 * @throws {AlliumError} `NOT_FOUND`, `TOO_LARGE`, `BAD_INPUT` when there is no tunnel in it.
 */
export async function importTunnels(path: string, tools: ImportTools): Promise<ImportLine[]> {
  const told: ImportLine[] = []
  const importer = new Importer(tools, told)
  for (const file of await configFiles(path)) await importer.file(file)
  if (!told.some(({ key }) => key === TUNNEL)) throw noTunnels()
  return told
}

/** Stands for a tunnel as a whole where a line's key stands else. */
const TUNNEL = "[tunnel]"

/** A plan with its keys, and the name it will have. */
interface Ready {
  readonly plan: TunnelPlan
  readonly name: string
  readonly keys: KeysFound | undefined
}

interface KeysFound {
  readonly bytes: Uint8Array
  readonly b32: string
}

class Importer {
  readonly #tools: ImportTools
  readonly #told: ImportLine[]
  readonly #names: Set<string>
  /** Which tunnel has which address: never two sessions with one key. */
  readonly #holders = new Map<string, string>()

  constructor(tools: ImportTools, told: ImportLine[]) {
    this.#tools = tools
    this.#told = told
    this.#names = new Set(tools.names)
  }

  async file(path: string): Promise<void> {
    const { tunnels, strays } = parseTunnelConfig(await readText(path))
    const file = basename(path)
    for (const { line, key } of strays) this.#told.push({ file, line, tunnel: "", key, ...STRAY })
    for (const tunnel of mergeServers(tunnels)) await this.#take(path, tunnel)
  }

  async #take(path: string, tunnel: ConfigTunnel): Promise<void> {
    const plan = planTunnel(tunnel)
    const file = basename(path)
    const name = freeName(plan.name, this.#names)
    const tell = (line: Omit<ImportLine, "file" | "tunnel">) =>
      this.#told.push({ file, tunnel: name, ...line })
    try {
      const kind = this.#checked(plan, dirname(path))
      const keys = await this.#keysOf(plan, name, dirname(path))
      const says = await this.#add({ plan, name, keys }, kind)
      this.#names.add(name)
      const fate = this.#tools.add === undefined ? "mapped" : "added"
      tell({ line: plan.line, key: TUNNEL, fate, says })
    } catch (thrown) {
      const { code, message } = toAlliumError(thrown)
      tell({ line: plan.line, key: TUNNEL, fate: "refused", says: `${message} (${code})` })
    }
    for (const fate of plan.fates) tell(fate)
  }

  async #add({ plan, name, keys }: Ready, kind: TunnelKind): Promise<string> {
    const { options, stopped } = plan
    const at = keys === undefined ? "" : ` at ${keys.b32}`
    await this.#tools.add?.({ kind: kind.kind, name, options, stopped }, keys?.bytes)
    if (keys !== undefined) this.#holders.set(keys.b32, name)
    return `${kind.kind}${at}${stopped ? ", stopped" : ""}`
  }

  /** The kind, when it takes the options; those it does not know are told of and left out. */
  #checked(plan: TunnelPlan, folder: string): TunnelKind {
    const kind = this.#tools.kinds.find(({ kind }) => kind === plan.kind)
    if (kind === undefined)
      throw new AlliumError(
        "BAD_INPUT",
        `Cannot import tunnel: ${plan.says}${plan.kind === undefined ? "" : " is no kind of this router"}`,
      )
    const known = schemaOf(kind.options, "input").properties ?? {}
    for (const name of Object.keys(plan.options))
      if (!Object.hasOwn(known, name)) leaveOut(plan, name)
    const { filter } = plan.options
    if (typeof filter === "string" && !isAbsolute(filter))
      plan.options.filter = join(folder, filter)
    const read = kind.options.safeParse(plan.options)
    if (!read.success)
      throw new AlliumError("BAD_INPUT", `Cannot import tunnel: ${z.prettifyError(read.error)}`)
    return kind
  }

  async #keysOf(plan: TunnelPlan, name: string, folder: string): Promise<KeysFound | undefined> {
    const { keyFile, kind } = plan
    if (keyFile === undefined) return undefined
    if (plan.options.keys === "persistent" || kind?.endsWith("-server")) {
      const found = await readKeys(await findKeyFile(keyFile, this.#tools.keysFolder ?? folder))
      const holder = this.#holders.get(found.b32)
      if (holder === undefined) return this.#unlessHere(found)
      if (kind?.endsWith("-server")) throw sharedKeys(holder)
      plan.options.keys = "transient"
      refate(plan, isKeyLine, `shared with ${holder}; this one gets an address of its own`)
      return undefined
    }
    refate(plan, isKeyLine, `a ${kind} has a new address at each start; ${name} needs no keys`)
    return undefined
  }

  /** Asked before anything is added, so that a dry run says it too. */
  async #unlessHere(found: KeysFound): Promise<KeysFound> {
    const holder = await this.#tools.holder(found.b32)
    if (holder !== undefined) throw sharedKeys(`${holder} of this router`)
    return found
  }
}

const STRAY = { fate: "refused", says: "belongs to no tunnel, or is no KEY=VALUE" } as const
const isKeyLine = (key: string) => /^(keys|privKeyFile)$/i.test(key)

function leaveOut(plan: TunnelPlan, option: string): void {
  delete plan.options[option]
  for (const [index, fate] of plan.fates.entries())
    if (fate.fate === "mapped" && fate.says.startsWith(`${option} `))
      plan.fates[index] = { ...fate, fate: "refused", says: `${plan.kind} has no option ${option}` }
}

function refate(plan: TunnelPlan, isMeant: (key: string) => boolean, says: string): void {
  for (const [index, fate] of plan.fates.entries())
    if (isMeant(fate.key)) plan.fates[index] = { ...fate, fate: "ignored", says }
}

/** i2pd has a section for each port of a destination; here they are rules of one tunnel. */
function mergeServers(tunnels: readonly ConfigTunnel[]): readonly ConfigTunnel[] {
  const merged: ConfigTunnel[] = []
  for (const tunnel of tunnels) {
    const value = (of: ConfigTunnel, key: string) =>
      of.lines.find((line) => line.key.toLowerCase() === key)?.value
    const keys = value(tunnel, "keys")
    const isSame = (other: ConfigTunnel) =>
      value(other, "keys") === keys && value(other, "type") === "server"
    const isServer = tunnel.router === "i2pd" && value(tunnel, "type") === "server"
    const index =
      isServer && keys && !/^(transient|shareddest)/.test(keys) ? merged.findIndex(isSame) : -1
    const first = merged[index]
    if (first === undefined) merged.push(tunnel)
    else merged[index] = { ...first, lines: [...first.lines, ...asRule(tunnel)] }
  }
  return merged
}

/** The lines of a further section: one that says where its port leads, and those that say the same again. */
function asRule(tunnel: ConfigTunnel): ConfigTunnel["lines"] {
  const { lines } = tunnel
  const value = (key: string) => lines.find((line) => line.key.toLowerCase() === key)
  const host = value("host")?.value ?? "127.0.0.1"
  const port = value("inport") ?? value("port")
  if (port === undefined) return lines
  const rule = {
    line: port.line,
    key: `targetForPort.${port.value}`,
    value: `${host}:${value("port")?.value}`,
  }
  const section = { line: tunnel.line, key: SECTION_KEY, value: tunnel.title }
  return [section, rule, ...lines.filter((line) => line !== port)]
}

/** A name for a folder, as near to the given one as can be. */
function freeName(wanted: string, taken: ReadonlySet<string>): string {
  const plain = wanted
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
  const stem = plain.slice(0, NAME_LENGTH - 4).replace(/-+$/, "") || "tunnel"
  for (let number = 1; ; number++) {
    const name = number === 1 ? stem : `${stem}-${number}`
    if (!taken.has(name)) return name
  }
}

async function configFiles(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) throw notFound("file")
  if (!found.isDirectory()) return [path]
  const names = (await readdir(path)).filter((name) => /\.(conf|config)$/.test(name)).sort()
  if (names.length > CONFIG_FILES_MAX)
    throw new AlliumError(
      "TOO_LARGE",
      `Cannot import tunnels: the folder has ${names.length} files`,
    )
  return names.map((name) => join(path, name))
}

async function findKeyFile(named: string, folder: string): Promise<string> {
  const places = isAbsolute(named) ? [named] : [join(folder, named), join(folder, "..", named)]
  for (const place of places) if ((await stat(place).catch(() => undefined))?.isFile()) return place
  throw notFound("key file")
}

async function readKeys(path: string): Promise<KeysFound> {
  const bytes = await readBounded(path, KEY_FILE_BYTES_MAX)
  return { bytes, b32: readKeyFile(bytes).b32 }
}

async function readText(path: string): Promise<string> {
  return Buffer.from(await readBounded(path, CONFIG_BYTES_MAX)).toString("utf8")
}

async function readBounded(path: string, bytesMax: number): Promise<Uint8Array> {
  await using file = await open(path).catch(() => Promise.reject(notFound("file")))
  const room = new Uint8Array(bytesMax + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(room, length, room.length - length)
    if (bytesRead === 0) return room.slice(0, length)
    length += bytesRead
    if (length > bytesMax)
      throw new AlliumError("TOO_LARGE", `Cannot import tunnels: a file has over ${bytesMax} bytes`)
  }
}

function notFound(what: string): AlliumError {
  return new AlliumError(
    "NOT_FOUND",
    `Cannot import tunnel: there is no such ${what}, or it cannot be read`,
  )
}

function noTunnels(): AlliumError {
  return new AlliumError("BAD_INPUT", "Cannot import tunnels: there is none in it, expected one")
}

function sharedKeys(holder: string): AlliumError {
  const message = `Cannot import tunnel: ${holder} has the same keys, expected others`
  return new AlliumError("DESTINATION_TAKEN", message)
}
