/** A home for one test: store, phrase folder and book, all with keys the test decides. */
import { join } from "node:path"
import type { Clock } from "../../../src/base/clock.ts"
import { systemClock } from "../../../src/base/clock.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { openIdentityBook } from "../../../src/identity/book.ts"
import type { IdentityBook } from "../../../src/identity/identity.ts"
import type { Store } from "../../../src/store/store.ts"
import { freshFolder, KEY, openIn } from "../store/store-folder.ts"

export interface Home {
  readonly folder: string
  readonly store: Store
  readonly book: IdentityBook
}

export async function openHome(folder?: string, clock: Clock = systemClock): Promise<Home> {
  const home = folder ?? (await freshFolder())
  const store = await openIn(join(home, "store"))
  return { folder: home, store, book: await openBook(home, store, clock) }
}

export function openBook(
  home: string,
  store: Store,
  clock: Clock = systemClock,
): Promise<IdentityBook> {
  return openIdentityBook({
    store: store.room("identity"),
    folder: join(home, "keys"),
    masterKey: KEY,
    clock,
    random: systemRandom,
  })
}
