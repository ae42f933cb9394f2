/**
 * One blob on its way in.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts"
import { AlliumError } from "../../base/errors.ts"
import { Assembly, type UploadBudget } from "./assembly.ts"
import { UPLOAD_MS } from "./limits.ts"

/** Collects the pieces, if there is room; what comes after it was refused is thrown away. */
export class Upload {
  readonly tag: number
  /** The whole blob; rejects with `BUSY` when there is no room now, or it took too long. */
  readonly received: Promise<Uint8Array>
  #open = true
  readonly #assembly: Assembly
  #refused = false
  readonly #over = new AbortController()
  #settle!: { resolve: (bytes: Uint8Array) => void; reject: (error: AlliumError) => void }

  /** @throws {AlliumError} `BAD_RECORD` when the size is beyond 16 MiB. */
  constructor(tag: number, size: number, budget: UploadBudget, clock: Clock) {
    this.tag = tag
    this.#assembly = new Assembly(size)
    this.received = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.received.catch(() => {}) // whoever answers awaits it too
    if (budget.reserve(size)) this.#begin(size, budget, clock)
    else this.#refuse("there is no room for it now")
  }

  /** Pieces may still come. */
  get open(): boolean {
    return this.#open
  }

  /** @throws {AlliumError} `BAD_RECORD`. */
  add(piece: Uint8Array): void {
    this.#assembly.add(piece)
    if (this.#refused) this.#assembly.forget()
    this.#finishIfComplete()
  }

  /** No more pieces come. */
  end(): void {
    this.#open = false
    this.#refuse("it was given up")
  }

  #begin(size: number, budget: UploadBudget, clock: Clock): void {
    this.#over.signal.addEventListener("abort", () => budget.release(size))
    const late = () => this.#refuse("it took too long")
    clock.sleep(UPLOAD_MS, { signal: this.#over.signal }).then(late, () => {})
    this.#finishIfComplete()
  }

  #finishIfComplete(): void {
    if (!this.#assembly.complete) return
    this.#open = false
    if (this.#refused) return
    this.#settle.resolve(this.#assembly.take())
    this.#over.abort()
  }

  #refuse(found: string): void {
    this.#refused = true
    this.#assembly.forget()
    this.#settle.reject(new AlliumError("BUSY", `Cannot take blob: ${found}`))
    this.#over.abort()
  }
}
