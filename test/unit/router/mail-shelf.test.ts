import { describe, expect, it } from "vitest"
import { z } from "zod"
import { systemRandom } from "../../../src/base/random.ts"
import { LETTER_BYTES_MAX } from "../../../src/mail/post/post.ts"
import { openMailShelf } from "../../../src/router/mail-shelf.ts"
import { openHome } from "../identity/home.ts"

const letter = { plugin: "notes", identity: "a", peer: `${"b".repeat(43)}.0` }

describe("MailShelf", () => {
  it.each([0, 1, 524_288, 524_289, 1_048_577, LETTER_BYTES_MAX])(
    "keeps a letter of %i bytes in a real store, and nothing once it is taken",
    async (bytes) => {
      const { store } = await openHome()
      const shelf = await openMailShelf(store)
      const content = systemRandom(bytes)
      const kept = shelf.keep(letter, content)
      await store.commit(kept!.changes)
      kept!.done?.()
      const again = await openMailShelf(store)
      const [place] = again.waiting("notes", "letter")
      const read = await again.read(place!)
      expect(Buffer.compare(read!.content, content)).toBe(0)
      await again.take(place!, [])
      expect(await again.read(place!)).toBeUndefined()
      for await (const _ of store.table("shelf-contents", z.unknown()).entries()) expect.fail()
    },
  )
})
