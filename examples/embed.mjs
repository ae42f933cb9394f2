/**
 * Allium inside a program of yours: a router with an identity, its card, and what happens in it.
 *
 *     npm run build
 *     node examples/embed.mjs FOLDER        # I2P: a SAM bridge at 127.0.0.1:7656, else an i2pd of its own
 *     node examples/embed.mjs FOLDER PORT   # the embedded network at that port: NOT ANONYMOUS
 *
 * See docs/guide/embedding.md.
 */
import { resolve } from "node:path"
import { createRouter } from "allium"

const [folder = "allium-embedded", port] = process.argv.slice(2)
const embedded = { choice: "embedded", sam: { host: "127.0.0.1", port: Number(port) } }
const stop = new AbortController()
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop.abort())

const router = await createRouter({
  home: resolve(folder),
  network: port === undefined ? { choice: "auto" } : embedded,
  plugins: [],
  tunnels: [],
})
/** Every command of the command line can be run so; input and answer are those of `--json`. */
async function ask(verb, input) {
  const answer = await router.offers.run(verb, input, { signal: stop.signal, progress() {} })
  return answer.document
}
try {
  const happens = router.events.subscribe({ names: ["session.*", "contact.*"] }, stop)
  if (router.identities.list().length === 0) await ask("identity create", { name: "me" })
  const { uri } = await ask("contact card", {})
  console.log(uri)
  for await (const { name, data } of happens) console.log(name, data)
} finally {
  await router[Symbol.asyncDispose]()
}
