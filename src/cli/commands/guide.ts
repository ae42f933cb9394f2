/**
 * The built-in example contact of `allium try`: a router of its own that answers whoever writes.
 *
 * @module
 */
import { z } from "zod"
import { toAlliumError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { Router } from "../../router/router.ts"
import { ask, openProxy, openSite, readTitle } from "./errands.ts"

/** What the guide calls itself. */
export const GUIDE = "guide"
/** Files up to this size are taken without asking. */
const FILE_LIMIT = "1GiB"

/** Where the guide is found. */
export interface Guide {
  /** Contact URI. */
  readonly uri: string
  /** URL of its site. */
  readonly site: string
  /** Opens a site through the guide's own proxy; answers its title. */
  read(url: string): Promise<string>
}

/** Makes the guide ready; it answers until `signal` aborts. */
export async function openGuide(router: Router, log: Log, signal: AbortSignal): Promise<Guide> {
  if (router.identities.list().length === 0)
    await ask(router, "identity create", { name: GUIDE }, signal)
  void answerAll(router, log, signal).catch(() => {})
  for (const contact of await contactsOf(router, signal)) await welcome(router, contact, signal)
  const { uri } = await ask<{ uri: string }>(router, "contact card", {}, signal)
  const port = await openProxy(router, 0, signal)
  return {
    uri,
    site: await openSite(router, "The guide's site", signal),
    read: (url) => readTitle(url, port, signal),
  }
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
