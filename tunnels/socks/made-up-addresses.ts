/**
 * Addresses for names that have none: programs that must resolve before they connect (torsocks) are told one
 * of a range nobody else uses, and connecting to it leads to the name.
 *
 * @see https://www.rfc-editor.org/rfc/rfc2544
 * @module
 */

/** 198.18.0.0/15 is kept for measuring devices, so no network has it, and no program takes it for this machine. */
const RANGE_START = 198 * 2 ** 24 + 18 * 2 ** 16
const RANGE_SIZE = 2 ** 17
/** The one asked for longest ago is forgotten. */
const MADE_UP_NAMES_MAX = 4_096

/** Names and their addresses, of one tunnel; the same name keeps its address while it is remembered. */
export class MadeUpAddresses {
  readonly #ips = new Map<string, string>()
  readonly #names = new Map<string, string>()
  #next = 1

  /** The dotted address for a name. */
  of(name: string): string {
    const ip = this.#ips.get(name) ?? this.#free()
    this.#ips.delete(name)
    if (this.#ips.size >= MADE_UP_NAMES_MAX) this.#forgetOldest()
    this.#ips.set(name, ip)
    this.#names.set(ip, name)
    return ip
  }

  /** The name behind a dotted address of ours. */
  nameOf(ip: string): string | undefined {
    return this.#names.get(ip)
  }

  /** Addresses are given out in turn, so that one is not soon somebody else's. */
  #free(): string {
    for (;;) {
      const ip = dotted(RANGE_START + this.#next)
      this.#next = (this.#next % (RANGE_SIZE - 2)) + 1
      if (!this.#names.has(ip)) return ip
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#ips
    if (oldest === undefined) return
    this.#ips.delete(oldest[0])
    this.#names.delete(oldest[1])
  }
}

function dotted(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".")
}
