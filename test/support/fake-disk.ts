/**
 * A real disk that can be made to misbehave: full, flipping bits, or losing at a crash what was not synced.
 *
 * Every operation is known to the {@linkcode FakeWorld} as under way, so that its clock waits for the real disk.
 */
import { closeSync, existsSync, openSync, writeSync } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import * as nodeDisk from "node:fs/promises"
import type { Disk } from "../../plugins/files/disk/disk.ts"
import type { FakeWorld } from "./fake-world.ts"

type Write = { readonly offset: number; readonly length: number }

/** See the module. */
export class FakeDisk {
  readonly #world: FakeWorld
  readonly #unsynced = new Map<string, Write[]>()
  readonly #open = new Set<FileHandle>()
  #dead = false
  /** Bytes that can still be written; `ENOSPC` beyond. */
  spaceLeft = Infinity
  /** Bytes that `statfs` says are free; the machine's own answer by default. */
  free: number | undefined
  /** Flip a bit in what is read, for reads where this says so. */
  flip: (offset: number) => boolean = () => false
  /** No hard links, as on FAT. */
  noLinks = false
  /** Bytes written in all. */
  written = 0
  /** Called before each operation, with its name and path. */
  watch: (name: string, path: string) => void = () => {}

  constructor(world: FakeWorld) {
    this.#world = world
  }

  /** Nothing this process began ever ends; what it did not sync is garbage or gone; the system closes its files. */
  crash({ keepsUnsynced = false } = {}): void {
    this.#dead = true
    for (const file of this.#open) void this.#world.track(file.close())
    this.#open.clear()
    if (keepsUnsynced) return
    for (const [path, writes] of this.#unsynced) if (existsSync(path)) spoil(path, writes)
  }

  readonly disk: Disk = {
    open: this.#op("open", async (path, ...rest) =>
      this.#wrap(String(path), await nodeDisk.open(path, ...rest)),
    ),
    link: this.#op("link", async (from, to) => {
      if (this.noLinks) throw Object.assign(new Error("no links here"), { code: "EPERM" })
      return nodeDisk.link(from, to)
    }),
    statfs: this.#op("statfs", async (path: string) => {
      const found = await nodeDisk.statfs(path)
      if (this.free !== undefined) Object.assign(found, { bavail: this.free, bsize: 1 })
      return found
    }) as Disk["statfs"],
    rename: this.#op("rename", nodeDisk.rename),
    unlink: this.#op("unlink", nodeDisk.unlink),
    rmdir: this.#op("rmdir", nodeDisk.rmdir),
    readdir: this.#op("readdir", nodeDisk.readdir as () => Promise<never>) as Disk["readdir"],
    mkdir: this.#op("mkdir", nodeDisk.mkdir as () => Promise<never>) as Disk["mkdir"],
    lstat: this.#op("lstat", nodeDisk.lstat as () => Promise<never>) as Disk["lstat"],
    realpath: this.#op("realpath", nodeDisk.realpath as () => Promise<never>) as Disk["realpath"],
  }

  #op<Args extends unknown[], T>(name: string, run: (...args: Args) => Promise<T>, path?: string) {
    return async (...args: Args): Promise<T> => {
      this.watch(name, path ?? String(args[0]))
      await this.#alive()
      const result = await this.#world.track(run(...args))
      await this.#alive()
      return result
    }
  }

  async #alive(): Promise<void> {
    if (this.#dead) await new Promise(() => {})
  }

  #wrap(path: string, file: FileHandle): FileHandle {
    this.#open.add(file)
    if (this.#dead) void this.#close(file)
    const methods: Record<string, (...args: never[]) => Promise<unknown>> = {
      read: async (buffer: Uint8Array, at: number, length: number, offset: number) => {
        const found = await file.read(buffer, at, length, offset)
        if (found.bytesRead > 0 && this.flip(offset)) buffer[at]! ^= 1
        return found
      },
      write: async (buffer: Uint8Array, at: number, length: number, offset: number) => {
        const room = Math.min(length, this.spaceLeft)
        if (room === 0) throw Object.assign(new Error("full"), { code: "ENOSPC" })
        this.spaceLeft -= room
        this.written += room
        this.#note(path, { offset, length: room })
        return file.write(buffer, at, room, offset)
      },
      datasync: async () => this.#synced(path, () => file.datasync()),
      sync: async () => this.#synced(path, () => file.sync()),
      stat: (...args) => file.stat(...args),
    }
    const get = (target: FileHandle, name: string) => {
      if (name === "close") return () => this.#close(file)
      const method = methods[name]
      return method ? this.#op(name, method as never, path) : Reflect.get(target, name)
    }
    return new Proxy(file, {
      get: get as ProxyHandler<FileHandle>["get"],
    } as ProxyHandler<FileHandle>)
  }

  #close(file: FileHandle): Promise<void> {
    return this.#open.delete(file) ? this.#world.track(file.close()) : Promise.resolve()
  }

  #note(path: string, write: Write): void {
    this.#unsynced.set(path, [...(this.#unsynced.get(path) ?? []), write])
  }

  async #synced(path: string, sync: () => Promise<void>): Promise<void> {
    const writes = this.#unsynced.get(path) ?? []
    this.#unsynced.delete(path)
    try {
      await sync()
    } catch (error) {
      this.#unsynced.set(path, writes)
      throw error
    }
  }
}

/** What a power cut may leave of writes that were never synced. */
function spoil(path: string, writes: readonly Write[]): void {
  const file = openSync(path, "r+")
  for (const { offset, length } of writes)
    writeSync(file, Buffer.alloc(length, 0xdb), 0, length, offset)
  closeSync(file)
}
