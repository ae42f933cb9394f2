/**
 * Ownership: who opened something closes it, once, in reverse order.
 *
 * @module
 */

import { setMaxListeners } from "node:events"

/** Gives one thing back; may be asynchronous. */
export type Release = () => unknown

/**
 * Owns what was opened. {@linkcode Scope.close} aborts {@linkcode Scope.signal} first, then releases
 * newest first; every release runs, failures are gathered in one `AggregateError`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict"
 * import { Scope } from "allium/plugin"
 * const order: string[] = []
 * const scope = new Scope()
 * scope.defer(() => order.push("first opened"))
 * scope.defer(() => order.push("last opened"))
 * await scope.close()
 * assert.deepEqual(order, ["last opened", "first opened"])
 * ```
 */
export class Scope implements AsyncDisposable {
  #releases: Release[] = []
  #closing: Promise<void> | undefined
  #abort = openAbort()

  /** Aborts as soon as closing begins. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Runs `release` on close; at once when the scope is closed already. */
  defer(release: Release): void {
    if (this.#closing !== undefined)
      void Promise.resolve()
        .then(release)
        .catch(() => {})
    else this.#releases.push(release)
  }

  /** Takes over a resource and gives it back for use. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(() =>
      Symbol.asyncDispose in resource
        ? resource[Symbol.asyncDispose]()
        : resource[Symbol.dispose](),
    )
    return resource
  }

  /**
   * Hands everything over to a new scope, the signal included; this one keeps nothing. For the end of
   * a successful `open…()`.
   */
  move(): Scope {
    const owner = new Scope()
    owner.#releases = this.#releases
    owner.#abort = this.#abort
    this.#releases = []
    this.#abort = openAbort()
    return owner
  }

  /** Ends everything; the second call returns the first one's promise. */
  close(): Promise<void> {
    this.#closing ??= this.#run()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<void> {
    this.#abort.abort()
    const failures: unknown[] = []
    for (const release of this.#releases.splice(0).reverse()) {
      try {
        await release()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "Cannot close everything")
  }
}

/** Many may listen to a scope's end: as many as it owns. Node would warn from the eleventh on. */
function openAbort(): AbortController {
  const abort = new AbortController()
  setMaxListeners(0, abort.signal)
  return abort
}
