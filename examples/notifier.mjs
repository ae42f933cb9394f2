/**
 * Runs a program when a message comes: a desktop notice, a sound, a lamp. Muted contacts stay silent.
 *
 *     node examples/notifier.mjs notify-send          # called as: notify-send "ann" "hello"
 *     node examples/notifier.mjs ./ring.sh
 *
 * ALLIUM says what to run instead of `npx allium`, as a JSON list of words; ALLIUM_HOME which router.
 */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"

const [allium, ...first] = JSON.parse(process.env.ALLIUM ?? '["npx", "allium"]')
const [program = "echo", ...words] = process.argv.slice(2)

const watch = spawn(allium, [...first, "message", "watch", "--json"], {
  stdio: ["ignore", "pipe", "inherit"],
})
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => watch.kill())

for await (const line of createInterface({ input: watch.stdout })) {
  const { event, muted, contact, text, attachments = [] } = JSON.parse(line)
  if (event !== "received" || muted) continue
  const files = attachments.map(({ name }) => `[${name}]`)
  await notify(contact, [text.slice(0, 200), ...files].join(" ").trim())
}

/** No shell reads what others wrote, and a leading dash makes no flag of it. */
async function notify(contact, text) {
  const safe = [contact, text].map((word) => word.replace(/^-+/, "").replaceAll("\0", ""))
  const notice = spawn(program, [...words, ...safe], { stdio: ["ignore", "inherit", "inherit"] })
  notice.once("error", (error) => console.error(`Cannot notify: ${error.message}`))
  await new Promise((resolve) => notice.once("close", resolve))
}
