/**
 * Loading plugins that did not come with Allium.
 *
 * A plugin runs with all rights of this process: loading one is trusting it.
 *
 * @module
 */
import { stat } from "node:fs/promises"
import { createRequire, register } from "node:module"
import { isAbsolute, join } from "node:path"
import { pathToFileURL } from "node:url"
import { AlliumError } from "../base/errors.ts"
import type { Plugin } from "./plugin.ts"

/** Files that may be a folder's plugin when its package.json does not say. */
const USUAL_FILES = ["index.js", "index.mjs", "index.ts"]

/**
 * Makes `allium`, `allium/plugin` and the like mean this very package, wherever the importing file lies: a
 * plugin needs no copy of Allium of its own, and its errors and shapes are ours.
 */
const DOORS_HOOK = `
let home
export async function initialize(data) { home = data.home }
export function resolve(specifier, context, next) {
  const ours = specifier === "allium" || specifier.startsWith("allium/")
  return next(specifier, ours ? { ...context, parentURL: home } : context)
}`

let registered = false

function openDoors(): void {
  if (registered) return
  registered = true
  register(`data:text/javascript,${encodeURIComponent(DOORS_HOOK)}`, {
    data: { home: import.meta.url },
  })
}

/**
 * Loads the plugin at `place`.
 *
 * @param place - Absolute path of a file or folder, or the name of a package installed beside Allium.
 * @throws {AlliumError} `PLUGIN_FAILED` when there is none, or it exports no plugin by default.
 */
export async function loadPlugin(place: string): Promise<Plugin> {
  openDoors()
  const url = await urlOf(place)
  const loaded: unknown = await import(url).catch((cause: unknown) => {
    throw new AlliumError("PLUGIN_FAILED", `Cannot load plugin: ${reasonOf(cause)}`, { cause })
  })
  const plugin = (loaded as { default?: unknown }).default
  if (isPlugin(plugin)) return plugin
  throw new AlliumError("PLUGIN_FAILED", "Cannot load plugin: its module has no plugin as default")
}

async function urlOf(place: string): Promise<string> {
  if (!isAbsolute(place)) return place
  const found = await stat(place).catch(() => undefined)
  if (found === undefined)
    throw new AlliumError("PLUGIN_FAILED", "Cannot load plugin: nothing is at that path")
  return pathToFileURL(found.isDirectory() ? await entryOf(place) : place).href
}

async function entryOf(folder: string): Promise<string> {
  for (const file of USUAL_FILES)
    if (await stat(join(folder, file)).catch(() => undefined)) return join(folder, file)
  try {
    return createRequire(join(folder, "package.json")).resolve(folder)
  } catch (cause) {
    const message = `Cannot load plugin: the folder has no ${USUAL_FILES[0]} and no main file`
    throw new AlliumError("PLUGIN_FAILED", message, { cause })
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "it threw no error"
}

function isPlugin(value: unknown): value is Plugin {
  const { name, offers, start } = (value ?? {}) as Partial<Plugin>
  return typeof name === "string" && Array.isArray(offers) && typeof start === "function"
}
