/**
 * Finds out what is wrong, why, and what to do: `allium doctor`.
 *
 * @module
 */
import { statfs } from "node:fs/promises"
import { toAlliumError } from "../base/errors.ts"
import { probeBridge } from "./ask-bridge.ts"
import { checkNode, checkPrivate, type Finding } from "./findings.ts"
import { findI2pd } from "./i2pd-child.ts"
import { namedHolders } from "./session-budget.ts"
import type { RouterView } from "./status.ts"

/** Less free space than this and queues may soon not be written. */
const DISK_FREE_MIN_BYTES = 100 * 2 ** 20
/** i2pd 2.45.1 answers SESSION CREATE after 20 or 40 s; longer than this is a sign of trouble. */
const OPENING_LONG_MS = 180_000
const PROBE_MS = 10_000

/** Makes every check; one that cannot be made is a finding itself. */
export async function diagnose(
  view: RouterView,
  call: { signal: AbortSignal },
): Promise<Finding[]> {
  const checks: [string, () => Promise<Finding | Finding[]> | Finding | Finding[]][] = [
    ["node", checkNode],
    ["home", () => checkPrivate(view.home.folder)],
    ["disk", () => checkDisk(view)],
    ["network", () => checkNetwork(view)],
    ["bridge", () => checkBridge(view, call)],
    ["sessions", () => checkSessions(view)],
    ["budget", () => checkBudget(view)],
    ["identities", () => checkIdentities(view)],
    ["towers", () => checkTowers(view)],
    ["plugins", () => checkPlugins(view)],
    ["tunnels", () => checkTunnels(view)],
  ]
  const findings = checks.map(async ([check, run]) => {
    try {
      return await run()
    } catch (thrown) {
      const { message, code } = toAlliumError(thrown)
      return { check, state: "fault", found: `${message} (${code})` } as const
    }
  })
  return (await Promise.all(findings)).flat()
}

async function checkDisk({ home }: RouterView): Promise<Finding> {
  const { bavail, bsize } = await statfs(home.folder)
  const freeBytes = bavail * bsize
  const found = `${Math.floor(freeBytes / 2 ** 20)} MiB free`
  if (freeBytes >= DISK_FREE_MIN_BYTES) return { check: "disk", state: "ok", found }
  return { check: "disk", state: "warning", found, todo: "Free some disk space." }
}

async function checkNetwork({ network }: RouterView): Promise<Finding> {
  const check = "network"
  if (network.kind === "embedded")
    return {
      check,
      state: "warning",
      found: "NOT ANONYMOUS: embedded network, this machine only",
      todo: "For real I2P: allium run --network auto",
    }
  if (network.i2pdRestarts === undefined)
    return { check, state: "ok", found: `I2P through the SAM bridge at ${network.bridgeName}` }
  const found = `own i2pd (${(await findI2pd()) ?? "not found any more"}), ${network.i2pdRestarts} restarts`
  return { check, state: network.i2pdRestarts > 0 ? "warning" : "ok", found }
}

async function checkBridge(
  { network }: RouterView,
  { signal }: { signal: AbortSignal },
): Promise<Finding> {
  try {
    const bridge = await network.bridge()
    const { version } = await probeBridge(bridge, { signal, patienceMs: PROBE_MS })
    return { check: "bridge", state: "ok", found: `SAM ${version} at ${network.bridgeName}` }
  } catch (thrown) {
    const { message, code, outcome } = toAlliumError(thrown)
    const found = `${message} (${code})`
    return { check: "bridge", state: "fault", found, ...(outcome.next && { todo: outcome.next }) }
  }
}

function checkSessions({ sessions }: RouterView): Finding[] {
  return sessions.list().map(({ owner, state, forMs }) => {
    const check = `session of ${owner.kind} ${owner.name}`
    const forSeconds = Math.round(forMs / 1_000)
    const found = `${state.name} for ${forSeconds} s`
    if (state.name === "down")
      return {
        check,
        state: "fault",
        found: `${found}: ${state.reason.message} (${state.reason.code})`,
        todo: "It is opened again by itself; see the bridge above.",
      }
    if (state.name === "opening" && forSeconds * 1_000 > OPENING_LONG_MS)
      return {
        check,
        state: "warning",
        found,
        todo: "The router builds no tunnels: is it connected to I2P? New routers need minutes.",
      }
    return { check, state: "ok", found }
  })
}

/** A spent budget refuses the next tunnel, site or visitor. */
function checkBudget({ budget }: RouterView): Finding {
  const check = "budget"
  const { used, max, holders } = budget.report()
  const found = `${used} of ${max} sessions for tunnels and plugins`
  if (used < max) return { check, state: "ok", found }
  return {
    check,
    state: "warning",
    found: `${found}: ${namedHolders({ holders })}`,
    todo: "End what has many, or start the router with more: allium run --sessions N",
  }
}

function checkIdentities({ identities }: RouterView): Finding {
  const count = identities.list().length
  if (count > 0) return { check: "identities", state: "ok", found: `${count}` }
  const todo = "Create one: allium identity create NAME"
  return { check: "identities", state: "warning", found: "none yet", todo }
}

/** What a person can do about each fault of a tower. */
const TOWER_TODO: Readonly<Record<string, string>> = {
  BAD_TOKEN: "Ask whoever runs it for another invitation: allium tower use",
  MAILBOX_FULL: "It has no room; use another one besides: allium tower use",
}

function checkTowers({ identities, post }: RouterView): Finding[] {
  return identities.list().flatMap((identity) =>
    post
      .towers(identity)
      .list()
      .map(({ name, use, state, reason }) => {
        const check = `tower ${name} of ${identity.name}`
        const found = `${use}, ${state}${reason === undefined ? "" : ` (${reason})`}`
        if (reason === undefined || use === "leaving") return { check, state: "ok", found } as const
        const todo = TOWER_TODO[reason] ?? "It is asked again by itself."
        return { check, state: "warning", found, todo } as const
      }),
  )
}

function checkPlugins({ plugins }: RouterView): Finding[] {
  return plugins.list().map(({ name, state, reason }) => ({
    check: `plugin ${name}`,
    state: state === "running" ? "ok" : "fault",
    found: reason ?? state,
  }))
}

function checkTunnels({ tunnels }: RouterView): Finding[] {
  return tunnels.list().map(({ name, state, reason }) => ({
    check: `tunnel ${name}`,
    state: state === "open" ? "ok" : "fault",
    found: reason ?? state,
    ...(state === "failed" && { todo: `Remove it and add it again: allium tunnel remove ${name}` }),
  }))
}
