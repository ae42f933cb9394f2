/**
 * A router whose files lie on a disk of a few megabytes: a tmpfs in a mount namespace of its own, over a folder of its home.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { AlliumProcess } from "./allium-process.ts"

const NAMESPACE = ["--mount", ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"])]

/** Whether this machine lets us mount one. */
export function canMount(): boolean {
  try {
    execFileSync("unshare", [...NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], {
      stdio: "ignore",
    })
    return true
  } catch {
    return false
  }
}

/** See the module. */
export class SmallDiskProcess extends AlliumProcess {
  readonly #bytes: number
  /** As seen from outside; what stands there is seen by the router alone. */
  readonly #folder: string

  /** @param bytes - Of the whole disk. */
  constructor(home: string, flags: readonly string[], bytes: number) {
    super(home, flags)
    this.#bytes = bytes
    this.#folder = join(home, "plugins", "files")
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
  }

  /** The folder on the small disk, while the router runs. */
  get folder(): string {
    return join("/proc", String(this.processId), "root", this.#folder)
  }

  override launch(...[args, env]: Parameters<AlliumProcess["launch"]>) {
    if (args[0] !== "run") return super.launch(args, env)
    const mount = `mount -t tmpfs -o size=${this.#bytes},mode=700 none "$0" && exec "$@"`
    return super.launch(args, env, ["unshare", ...NAMESPACE, "sh", "-c", mount, this.#folder])
  }

  /** Takes all the room there is. */
  async fill(): Promise<void> {
    const chunk = Buffer.alloc(2 ** 20, 1)
    await writeFile(this.#filler, chunk, { flag: "a" })
      .then(() => this.fill())
      .catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOSPC") throw error
      })
  }

  /** Gives it back. */
  async free(): Promise<void> {
    await rm(this.#filler)
  }

  get #filler(): string {
    return join(this.folder, "filler")
  }
}
