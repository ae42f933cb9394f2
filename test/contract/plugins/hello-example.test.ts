/** The example of docs/guide/plugins.md, on two routers as an embedder makes them. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createRouter, type EmbeddedBridge, openEmbeddedBridge, type Router } from "allium"
import { definePlugin, offer, type Plugin, readRecords, writeRecord, z } from "allium/plugin"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { projectRoot } from "../../support/project.ts"

const PLACE = join(projectRoot, "examples", "hello-plugin", "index.mjs")
const { signal } = new AbortController()

async function ask<T>(router: Router, verb: string, input: Record<string, unknown>): Promise<T> {
  const answer = await router.offers.run(verb, input, { signal, progress: () => {} })
  if ("document" in answer) return answer.document as T
  throw new TypeError(`${verb} is a stream`)
}

/** Resolves with the first event of this name, from now on. */
async function next(router: Router, name: string): Promise<unknown> {
  for await (const { data } of router.events.subscribe({ names: [name] }, { signal })) return data
  return undefined
}

describe("examples/hello-plugin", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let ann: Router
  let bob: Router

  const open = async (name: string, plugins: readonly Plugin[]): Promise<Router> => {
    const network = { choice: "embedded", sam: bridge.address } as const
    const router = await createRouter({ home: join(folder, name), network, plugins, tunnels: [] })
    await ask(router, "identity create", { name })
    return router
  }

  /** Makes `other` a contact of ann's, and the other way round. */
  const meet = async (other: Router, name: string): Promise<void> => {
    const { uri } = await ask<{ uri: string }>(ann, "contact card", {})
    const asked = next(ann, "contact.changed")
    await ask(other, "contact add", { uri, name: "ann", as: name })
    await asked
    const accepted = next(other, "contact.changed")
    await ask(ann, "contact accept", { contact: name })
    await accepted
  }

  beforeAll(async () => {
    const { default: hello } = (await import(PLACE)) as { default: Plugin }
    folder = await mkdtemp(join(tmpdir(), "allium-hello-"))
    bridge = await openEmbeddedBridge({})
    ;[ann, bob] = await Promise.all([open("ann", [hello]), open("bob", [hello])])
    await meet(bob, "bob")
  })
  afterAll(async () => {
    await Promise.all([ann?.[Symbol.asyncDispose](), bob?.[Symbol.asyncDispose]()])
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  it("greets a contact and shows the answer", async () => {
    const heard = next(ann, "hello.heard")
    expect(await ask(bob, "hello say", { contact: "ann" })).toEqual({
      contact: "ann",
      answer: "Hello to you",
    })
    expect(await heard).toEqual({ identity: "ann", text: "Hello" })
  })

  it("is described like every other offer", () => {
    expect(bob.offers.describe("hello say")).toMatchObject({
      positional: ["contact"],
      input: { required: ["contact"] },
    })
  })

  it("says so when there is no such contact", async () => {
    await expect(ask(bob, "hello say", { contact: "eve" })).rejects.toMatchObject({
      code: "NO_CONTACT",
    })
  })

  it("refuses what is no hello, and goes on", async () => {
    const eve = await open("eve", [rudePlugin()])
    try {
      await meet(eve, "eve")
      await expect(ask(eve, "rude say", {})).rejects.toMatchObject({ code: "CHANNEL_RESET" })
      expect(await ask(bob, "hello say", { contact: "ann" })).toMatchObject({ contact: "ann" })
    } finally {
      await eve[Symbol.asyncDispose]()
    }
  })
})

/** Speaks the example's protocol, and not well. */
function rudePlugin(): Plugin {
  const say = offer({ verb: "rude say", summary: "Say too much", input: z.object({}) })
  return definePlugin({
    name: "rude",
    offers: [say],
    async start(context) {
      context.answer(say, async () => {
        const identity = context.identities.find()
        const contact = context.contacts.find(identity, "ann")
        const channel = await context.open({ identity, contact }, "/hello/1", { signal })
        await writeRecord(channel, { text: "x".repeat(101) })
        for await (const _ of readRecords(channel, { bytesMax: 512 })) return "answered"
        return "ended"
      })
      return undefined
    },
  })
}
