/**
 * The built-in example contact of `allium try`: a router of its own that answers whoever writes.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { toAlliumError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { Router } from "../../router/router.ts"

/** What the guide calls itself. */
export const GUIDE = "guide"
/** Files up to this size are taken without asking. */
const FILE_LIMIT = "1GiB"
const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The guide's site</title>
<style>body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>Hello from the guide</h1>
<p>This page came over a destination of its own, through your own <code>http-proxy</code>.</p>
<p>On the embedded network that is not anonymous. On I2P it is the same page, the same command, and it is.</p>
</html>
`

/** Runs one offer of a router. */
export async function ask<T = unknown>(
  router: Router,
  verb: string,
  input: Record<string, unknown>,
  signal: AbortSignal,
): Promise<T> {
  const answer = await router.offers.run(verb, input, { signal, progress: () => {} })
  if (!("document" in answer)) throw new TypeError(`Cannot ask "${verb}": it answers with a stream`)
  return answer.document as T
}

/** Where the guide is found. */
export interface Guide {
  /** Contact URI. */
  readonly uri: string
  /** URL of its site. */
  readonly site: string
}

/** Makes the guide ready; it answers until `signal` aborts. */
export async function openGuide(router: Router, log: Log, signal: AbortSignal): Promise<Guide> {
  if (router.identities.list().length === 0)
    await ask(router, "identity create", { name: GUIDE }, signal)
  void answerAll(router, log, signal).catch(() => {})
  for (const contact of await contactsOf(router, signal)) await welcome(router, contact, signal)
  const { uri } = await ask<{ uri: string }>(router, "contact card", {}, signal)
  return { uri, site: await openSite(router, signal) }
}

async function openSite(router: Router, signal: AbortSignal): Promise<string> {
  const [standing] = await ask<{ url: string }[]>(router, "site list", {}, signal)
  if (standing !== undefined) return standing.url
  const folder = join(router.home.folder, "site")
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, "index.html"), PAGE)
  return (await ask<{ url: string }>(router, "site serve", { folder }, signal)).url
}

const contactShape = z.object({ name: z.string(), state: z.string() })
type Contact = z.output<typeof contactShape>

async function contactsOf(router: Router, signal: AbortSignal): Promise<Contact[]> {
  return z.array(contactShape).parse(await ask(router, "contact list", {}, signal))
}

/** Accepts who asks, and takes their files. */
async function welcome(router: Router, contact: Contact, signal: AbortSignal): Promise<void> {
  if (contact.state !== "asking") return
  await ask(router, "contact accept", { contact: contact.name }, signal)
  await ask(router, "file auto", { contact: contact.name, below: FILE_LIMIT }, signal)
}

const messageShape = z.object({
  contact: z.string(),
  direction: z.literal("in"),
  text: z.string(),
})
const fileShape = z.object({
  contact: z.string(),
  direction: z.literal("in"),
  name: z.string(),
  size: z.number(),
  sha256: z.string(),
})

async function answerAll(router: Router, log: Log, signal: AbortSignal): Promise<void> {
  const names = ["contact.changed", "messages.received", "files.done"]
  for await (const { name, data } of router.events.subscribe({ names }, { signal })) {
    try {
      await answer(router, name, data, signal)
    } catch (thrown) {
      if (!signal.aborted) log.warn("guide.failed", { code: toAlliumError(thrown).code })
    }
  }
}

async function answer(
  router: Router,
  event: string,
  data: unknown,
  signal: AbortSignal,
): Promise<void> {
  if (event === "contact.changed") {
    for (const contact of await contactsOf(router, signal)) await welcome(router, contact, signal)
    return
  }
  const reply = event === "messages.received" ? replyToText(data) : replyToFile(data)
  if (reply !== undefined) await ask(router, "message send", reply, signal)
}

function replyToText(data: unknown): { contact: string; text: string } | undefined {
  const { success, data: message } = messageShape.safeParse(data)
  if (!success) return undefined
  const count = [...message.text].length
  return {
    contact: message.contact,
    text: `I have your ${count} characters. Send me a file next, or open my site.`,
  }
}

function replyToFile(data: unknown): { contact: string; text: string } | undefined {
  const { success, data: file } = fileShape.safeParse(data)
  if (!success) return undefined
  return { contact: file.contact, text: `I have ${file.name}: SHA-256 ${file.sha256}.` }
}
