/**
 * The plugins a user added: kept over restarts, started with the router and at once when they are added.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import type { PluginHost, PluginReport } from "./plugin-host.ts"
import { loadPlugin } from "./plugin-modules.ts"

/** Each runs with all rights of the process; nobody needs more. */
const PLUGINS_MAX = 64

const recordShape = z.object({ place: z.string().min(1).max(4_096) })
type PluginRecord = z.output<typeof recordShape>

/** Plugins of the user's own. */
export interface PluginShelf {
  /** @throws {AlliumError} `PLUGIN_FAILED`, `ALREADY_EXISTS`, `LIMIT_REACHED`. */
  add(place: string): Promise<PluginReport>
  /** @throws {AlliumError} `NOT_FOUND`. What it stored stays. */
  remove(name: string): Promise<void>
}

/** Starts what was added before; one that fails is reported by the host and the rest run. */
export async function openPluginShelf(options: {
  readonly store: StoreRoom
  readonly host: PluginHost
  readonly log: Log
}): Promise<PluginShelf> {
  const { store, host, log } = options
  const table: Table<PluginRecord> = store.table("plugins", recordShape)
  const names = new Set<string>()
  for await (const [name, { place }] of table.entries()) {
    names.add(name)
    await loadPlugin(place).then(host.start, (thrown: unknown) => {
      const { code, message } = toAlliumError(thrown)
      log.error("plugin.failed", { code })
      host.reportFailure(name, `${message} (${code})`)
    })
  }
  return {
    async add(place) {
      if (names.size >= PLUGINS_MAX)
        throw new AlliumError("LIMIT_REACHED", `Cannot add plugin: there are ${PLUGINS_MAX}`)
      const plugin = await loadPlugin(place)
      if (host.list().some(({ name }) => name === plugin.name))
        throw new AlliumError(
          "ALREADY_EXISTS",
          `Cannot add plugin: "${plugin.name}" is here already`,
        )
      const report = await host.start(plugin)
      if (report.state === "failed") {
        await host.stop(plugin.name)
        throw new AlliumError("PLUGIN_FAILED", `Cannot add plugin: ${report.reason}`)
      }
      await store.commit([table.put(plugin.name, { place })])
      names.add(plugin.name)
      return report
    },
    async remove(name) {
      if (!names.delete(name))
        throw new AlliumError("NOT_FOUND", `Cannot remove plugin: you added none named "${name}"`)
      await store.commit([table.remove(name)])
      await host.stop(name)
    },
  }
}
