/**
 * Where strangers' files arrive: a folder for each visit, a file only when it is whole.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { AlliumError, freeName, safeName, syncFolder } from "allium/plugin"

/** Entries looked at when the space in use is added up. */
const COUNTED_MAX = 100_000
/** Visits within one second. */
const SAME_TIME_MAX = 1_000

/** Room that visits share. */
export class DropRoom {
  readonly folder: string
  readonly #bytesMax: number
  #bytesUsed: number

  private constructor(folder: string, bytesMax: number, bytesUsed: number) {
    this.folder = folder
    this.#bytesMax = bytesMax
    this.#bytesUsed = bytesUsed
  }

  /** Counts what is in the folder already. */
  static async open(folder: string, bytesMax: number): Promise<DropRoom> {
    return new DropRoom(folder, bytesMax, await bytesBelow(folder))
  }

  /** Takes room. @throws {AlliumError} `DROP_FULL`. */
  take(byteCount: number): void {
    if (this.#bytesUsed + byteCount > this.#bytesMax)
      throw new AlliumError("DROP_FULL", "Cannot take this: there is no room for more here")
    this.#bytesUsed += byteCount
  }

  /** Gives room back. */
  give(byteCount: number): void {
    this.#bytesUsed -= byteCount
  }
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  let byteCount = 0
  for (const entry of entries.slice(0, COUNTED_MAX))
    if (entry.isFile())
      byteCount +=
        (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0
  return byteCount
}

/** What one visitor drops at one time. The folder is made with the first file. */
export class Visit {
  readonly #room: DropRoom
  readonly #nowMs: number
  readonly #names: string[] = []
  #folder: string | undefined

  constructor(room: DropRoom, nowMs: number) {
    this.#room = room
    this.#nowMs = nowMs
  }

  /** Names of files that are whole, in order. */
  get names(): readonly string[] {
    return this.#names
  }

  /** Begins a file; whatever name was sent, it is one harmless name in the visit's own folder. */
  async begin(name: string): Promise<DroppedFile> {
    this.#folder ??= await makeFolder(this.#room.folder, this.#nowMs)
    const folder = this.#folder
    const part = join(folder, `.${randomBytes(8).toString("hex")}.part`)
    const keep = async () => {
      const free = freeName(safeName(name), this.#names)
      await rename(part, join(folder, free))
      await syncFolder(folder)
      this.#names.push(free)
    }
    return new DroppedFile(await open(part, "wx", 0o600), part, this.#room, keep)
  }

  /** Removes the folder when nothing arrived. */
  async leave(): Promise<void> {
    if (this.#folder !== undefined && this.#names.length === 0)
      await rmdir(this.#folder).catch(() => {})
  }
}

/** A file that comes in. */
export class DroppedFile {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #room: DropRoom
  readonly #keep: () => Promise<void>
  #byteCount = 0

  constructor(handle: FileHandle, path: string, room: DropRoom, keep: () => Promise<void>) {
    this.#handle = handle
    this.#path = path
    this.#room = room
    this.#keep = keep
  }

  /** So far. */
  get byteCount(): number {
    return this.#byteCount
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#room.take(bytes.length)
    this.#byteCount += bytes.length
    await this.#handle.writeFile(bytes).catch(asDiskFault)
  }

  /** On disk and under its name when it resolves. */
  async finish(): Promise<void> {
    await this.#handle.sync()
    await this.#handle.close()
    await this.#keep()
  }

  /** Forgets it. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {})
    await rm(this.#path, { force: true })
    this.#room.give(this.#byteCount)
  }
}

/** `2026-11-21 17-05-09`, in UTC; with a number behind when there is one already. */
async function makeFolder(root: string, nowMs: number): Promise<string> {
  const stamp = new Date(nowMs).toISOString().slice(0, 19).replace("T", " ").replaceAll(":", "-")
  for (let count = 1; count <= SAME_TIME_MAX; count++) {
    const path = join(root, count === 1 ? stamp : `${stamp} (${count})`)
    try {
      await mkdir(path, { mode: 0o700 })
      return path
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") asDiskFault(error)
    }
  }
  throw new AlliumError("BUSY", "Cannot take this: too many people bring something at this moment")
}

function asDiskFault(error: unknown): never {
  const { code = "" } = error as NodeJS.ErrnoException
  if (code === "ENOSPC" || code === "EDQUOT")
    throw new AlliumError("DROP_FULL", "Cannot take this: there is no room for more here")
  throw new AlliumError("BACKEND_DOWN", "Cannot take this: the folder for it is gone", {
    cause: error,
  })
}
