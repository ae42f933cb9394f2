/**
 * What a router that does not run would meet: its home, its store, the network.
 *
 * @module
 */
import { access, stat } from "node:fs/promises"
import { join } from "node:path"
import { toAlliumError } from "../base/errors.ts"
import { describeDamage, inspectFiles } from "../store/inspect.ts"
import { readSentinel } from "../store/sentinel.ts"
import { probeBridge } from "./ask-bridge.ts"
import { checkNode, checkPrivate, type Finding } from "./findings.ts"
import { findI2pd } from "./i2pd-child.ts"
import { SAM_DEFAULT } from "./network.ts"

const PROBE_MS = 5_000

/** Looks at a home from outside; nothing is changed. */
export async function examineHome(
  folder: string,
  call: { signal: AbortSignal },
): Promise<Finding[]> {
  const router: Finding = {
    check: "router",
    state: "warning",
    found: "none runs for this home",
    todo: "Start it: allium run",
  }
  const [home, network] = await Promise.all([checkHome(folder), checkNetwork(call)])
  return [router, checkNode(), ...home, ...network]
}

async function checkHome(folder: string): Promise<Finding[]> {
  const known = await stat(folder).then(
    () => true,
    () => false,
  )
  if (!known)
    return [{ check: "home", state: "ok", found: "none yet; it is made at the first run" }]
  return [await checkPrivate(folder), await checkStore(join(folder, "store"))]
}

async function checkStore(folder: string): Promise<Finding> {
  const check = "store"
  const data = join(folder, "data")
  try {
    await access(data)
  } catch {
    return { check, state: "ok", found: "empty" }
  }
  const damage = await inspectFiles(data, { closed: (await readSentinel(folder))?.closed === true })
  if (damage.length === 0) return { check, state: "ok", found: "every checksum is right" }
  return {
    check,
    state: "fault",
    found: describeDamage(damage),
    todo: "Copy the home folder, then save what can be saved: allium repair",
  }
}

async function checkNetwork({ signal }: { signal: AbortSignal }): Promise<Finding[]> {
  const program = await findI2pd()
  const i2pd: Finding = { check: "i2pd", state: "ok", found: program ?? "not installed" }
  const name = `${SAM_DEFAULT.host}:${SAM_DEFAULT.port}`
  try {
    const { version, embedded } = await probeBridge(SAM_DEFAULT, {
      signal,
      patienceMs: PROBE_MS,
    })
    const found = embedded
      ? `an embedded network, not I2P, at ${name}`
      : `SAM ${version} at ${name}`
    return [{ check: "bridge", state: embedded ? "warning" : "ok", found }, i2pd]
  } catch (thrown) {
    const { message, code } = toAlliumError(thrown)
    const found = `${message} (${code})`
    if (program !== undefined) return [{ check: "bridge", state: "ok", found }, i2pd]
    const todo = "Install i2pd, or start your I2P router with SAM switched on."
    return [{ check: "bridge", state: "fault", found, todo }, i2pd]
  }
}
