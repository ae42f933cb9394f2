/**
 * The home folder: everything one router keeps, in a folder of mode 0700.
 *
 * @module
 */
import { chmod, mkdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { AlliumError } from "../base/errors.ts"

/** Paths inside a home; all absolute, all private to the user. */
export interface Home {
  readonly folder: string
  /** Recovery phrase and wrapped master key. */
  readonly keys: string
  /** The encrypted database. */
  readonly store: string
  /** Data of an i2pd of our own. */
  readonly i2pd: string
  /** One folder for each plugin and tunnel. */
  readonly plugins: string
  readonly tunnels: string
  readonly log: string
}

/**
 * Makes the home's folders where they are missing; nothing is put into a home that others may read.
 *
 * @throws {AlliumError} `HOME_EXPOSED` when others may read it, `HOME_UNUSABLE` when it cannot be made.
 */
export async function openHome(folder: string): Promise<Home> {
  const home: Home = {
    folder,
    keys: join(folder, "keys"),
    store: join(folder, "store"),
    i2pd: join(folder, "i2pd"),
    plugins: join(folder, "plugins"),
    tunnels: join(folder, "tunnels"),
    log: join(folder, "allium.log"),
  }
  await makePrivateFolder(folder)
  await requirePrivate(folder)
  for (const inner of [home.keys, home.i2pd, home.plugins, home.tunnels])
    await makePrivateFolder(inner)
  return home
}

/** Makes a folder that only its owner can read; an existing one keeps its mode. */
export async function makePrivateFolder(folder: string): Promise<void> {
  try {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    if (made !== undefined) await chmod(folder, 0o700)
  } catch (cause) {
    throw new AlliumError("HOME_UNUSABLE", "Cannot make the home folder: the system refused it", {
      cause,
    })
  }
}

async function requirePrivate(folder: string): Promise<void> {
  const { mode } = await stat(folder)
  if (process.platform === "win32" || (mode & 0o077) === 0) return
  const found = (mode & 0o777).toString(8)
  throw new AlliumError("HOME_EXPOSED", `Cannot use home: its mode is ${found}, expected 700`)
}
