/**
 * The keys of a session that comes back: the same ones each time, or others.
 *
 * @module
 */
import type { RandomBytes } from "../base/random.ts"
import { deriveDestinationKeys } from "./derive.ts"
import type { Destination } from "./destination.ts"
import { readKeyFile } from "./private-keys.ts"

/**
 * Private key file; copied. `transient`: new keys, kept as long as the session. `renewed`: new keys each time it
 * is opened again, for who is not called. A peer's i2pd goes on encrypting for a session it knew, up to two minutes
 * after that is gone (ECIES ratchets are not begun anew before), and nothing it says is understood: under another
 * destination it is at once, and no keys have to cool down.
 */
export type KeyChoice = Uint8Array | "transient" | "renewed"

/** Private keys and their destination, as they are now. */
export class SessionKeys {
  readonly #choice: KeyChoice
  readonly #random: RandomBytes
  #file: Uint8Array
  #destination: Destination
  #isUsed = false

  /** @throws {AlliumError} `BAD_DESTINATION_KEYS`. */
  constructor(choice: KeyChoice, random: RandomBytes) {
    this.#choice = choice
    this.#random = random
    this.#file = typeof choice === "string" ? this.#make() : choice.slice()
    this.#destination = readKeyFile(this.#file)
  }

  /** Private key file; a secret. */
  get file(): Uint8Array {
    return this.#file
  }

  get destination(): Destination {
    return this.#destination
  }

  /** To be called before a bridge is shown them: from the second time on, `renewed` ones are others. */
  use(): void {
    if (this.#choice === "renewed" && this.#isUsed) {
      this.#file = this.#make()
      this.#destination = readKeyFile(this.#file)
    }
    this.#isUsed = true
  }

  #make(): Uint8Array {
    return deriveDestinationKeys(this.#random(32)).privateKeyFile
  }
}
