/**
 * Which run of the machine this is: what was written in another one, and not synced, is not believed.
 *
 * @module
 */
import { randomUUID } from "node:crypto"
import { readFile } from "node:fs/promises"

/** Where Linux names the run of the machine; elsewhere only what was synced is believed. */
const BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"

/** Names this run of this machine, as well as it can be told. */
export async function bootOfMachine(): Promise<string> {
  const boot = await readFile(BOOT_ID_PATH, "utf8").catch(() => randomUUID())
  return boot.trim()
}
