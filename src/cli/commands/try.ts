/**
 * `allium try`: two identities on the embedded network that talk, exchange a file and read each other's
 * site; then one of them is yours. What `npm start` runs.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { EMBEDDED_BANNER } from "../../api/protocol.ts"
import { systemClock } from "../../base/clock.ts"
import { openLog } from "../../base/log.ts"
import { openLogFile } from "../../base/log-file.ts"
import { Scope } from "../../base/scope.ts"
import { makePrivateFolder } from "../../router/home.ts"
import { createRouter, type Router } from "../../router/router.ts"
import type { LocalCall } from "../local.ts"
import { findPaths } from "../paths.ts"
import { ask, openProxy, openSite, readTitle } from "./errands.ts"
import { GUIDE, type Guide, openGuide } from "./guide.ts"
import { runOptions } from "./network-options.ts"
import { type Parts, serve } from "./run.ts"
import type { TryInput } from "./try-options.ts"

/** The whole story is over in seconds, or something is wrong. */
const STORY_PATIENCE_MS = 120_000
const FILE_BYTES = 1_048_576

/** Tells the story, then stays until the call's signal aborts. @returns Exit code. */
export async function tryOut(input: TryInput, call: LocalCall, parts: Parts): Promise<number> {
  const { terminal, signal } = call
  terminal.note(terminal.paintError("yellow", EMBEDDED_BANNER))
  await using scope = new Scope()
  const place = await openPlace(input, call, parts, scope)
  await tellStory(place, terminal.print, AbortSignal.any([signal, deadline()]))
  if (input.once) return 0
  await terminal.print(howToGoOn(place))
  if (!signal.aborted) await once(signal, "abort")
  return 0
}

function deadline(): AbortSignal {
  return AbortSignal.timeout(STORY_PATIENCE_MS)
}

/** Both routers, ready. */
interface Place {
  readonly me: Router
  readonly guide: Guide
  readonly proxyPort: number
  readonly home: string
}

async function openPlace(
  input: TryInput,
  { paths, signal }: LocalCall,
  parts: Parts,
  scope: Scope,
): Promise<Place> {
  const base = `${paths.home}-try`
  await makePrivateFolder(base)
  const home = join(base, "me")
  const own = findPaths({ home, env: {}, cwd: base, userFolder: base })
  const sam = `127.0.0.1:${input.port}`
  const { router: me } = await serve(
    runOptions.parse({ network: "embedded", sam }),
    own,
    parts,
    scope,
  )
  const guideHome = join(base, GUIDE)
  await makePrivateFolder(guideHome)
  const log = openLog({
    level: "info",
    write: openLogFile(join(guideHome, "allium.log")),
    now: systemClock.now,
  })
  const other = scope.use(
    await createRouter({
      ...parts,
      home: guideHome,
      network: { choice: "embedded", sam: { host: "127.0.0.1", port: input.port } },
      log,
    }),
  )
  const guide = await openGuide(other, log, AbortSignal.any([signal, scope.signal]))
  if (me.identities.list().length === 0) await ask(me, "identity create", { name: "me" }, signal)
  return { me, guide, home, proxyPort: await openProxy(me, input.proxy, signal) }
}

async function tellStory(
  { me, guide, proxyPort, home }: Place,
  print: (line: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  await print("Two identities on this machine: you (me) and an example contact (guide).\n")
  await meet(me, guide, signal)
  await print("  ✔ you asked to become contacts, the guide accepted")
  const contact = GUIDE
  await ask(me, "message send", { contact, text: "Hello, guide!", wait: true }, signal)
  await print('  ✔ "Hello, guide!" was delivered: the guide has it on disk')
  await print(`  ✔ the guide answered: "${await nextReply(me, signal)}"`)
  const path = join(home, "plugins", "example.bin")
  const bytes = randomBytes(FILE_BYTES)
  await writeFile(path, bytes)
  await ask(me, "file send", { contact, path, wait: true }, signal)
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16)
  await print(`  ✔ a file of 1 MiB arrived whole, SHA-256 ${hash}…`)
  const theirs = await readTitle(guide.site, proxyPort, signal)
  await print(`  ✔ you opened the guide's site through your proxy: "${theirs}"`)
  const mine = await guide.read(await openSite(me, "Your site", signal))
  await print(`  ✔ the guide opened yours through its own: "${mine}"\n`)
}

async function meet(me: Router, guide: Guide, signal: AbortSignal): Promise<void> {
  const state = async () => {
    const contacts = await ask<{ name: string; state: string }[]>(me, "contact list", {}, signal)
    return contacts.find(({ name }) => name === GUIDE)?.state
  }
  const changes = me.events.subscribe({ names: ["contact.changed"] }, { signal })
  if ((await state()) === "accepted") return
  if ((await state()) === undefined)
    await ask(me, "contact add", { uri: guide.uri, name: GUIDE, greeting: "Hello" }, signal)
  if ((await state()) === "accepted") return
  for await (const _ of changes) if ((await state()) === "accepted") return
  signal.throwIfAborted()
}

/** The newest text from the guide; waits for one that answers what was just sent. */
async function nextReply(me: Router, signal: AbortSignal): Promise<string> {
  const newest = async () => {
    const input = { contact: GUIDE, limit: 10 }
    const messages = await ask<{ direction: string; text: string }[]>(
      me,
      "message list",
      input,
      signal,
    )
    const last = messages.at(-1)
    return last?.direction === "in" ? last.text : undefined
  }
  const arrivals = me.events.subscribe({ names: ["messages.received"] }, { signal })
  const here = await newest()
  if (here !== undefined) return here
  for await (const _ of arrivals) {
    const arrived = await newest()
    if (arrived !== undefined) return arrived
  }
  signal.throwIfAborted()
  return ""
}

function howToGoOn({ guide, proxyPort, home }: Place): string {
  return `Now you. The router keeps running here; in another terminal:

  export ALLIUM_HOME=${home}
  npx allium message send guide "are you there?"
  npx allium message list
  npx allium file send guide README.md --wait
  npx allium site serve docs --list
  curl --proxy http://127.0.0.1:${proxyPort} ${guide.site}
  npx allium status
  npx allium --help

For real I2P: npx allium run --home ~/.local/share/allium     Ctrl-C ends this one.`
}
