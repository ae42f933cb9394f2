/** Commits until it is killed; tells each number that was acknowledged on a line of its own. */
import { writeSync } from "node:fs"
import { z } from "zod"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { openStore } from "../../../src/store/open-store.ts"

const folder = process.argv[2]!
const key = new Uint8Array(32).fill(7)
const store = await openStore({ folder, key, clock: systemClock, log: silentLog })
const left = store.table("left", z.number())
const right = store.room("other").table("right", z.number())
const journal = store.journal("j", z.number())

async function commitOne(): Promise<void> {
  const change = journal.append(0)
  const number = change.sequence
  await store.commit([
    left.put("last", number),
    change,
    journal.put(number, number),
    right.put("last", number),
  ])
  writeSync(1, `${number}\n`)
}

for (;;) await Promise.all([commitOne(), commitOne(), commitOne()])
