/**
 * Says everything back to everybody, through the command line of a router that runs.
 *
 *     node examples/echo-bot.mjs              # the router of the usual home
 *     ALLIUM_HOME=~/bot node examples/echo-bot.mjs
 *
 * ALLIUM says what to run instead of `npx allium`, as a JSON list of words.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"

const [program, ...first] = JSON.parse(process.env.ALLIUM ?? '["npx", "allium"]')

const watch = spawn(program, [...first, "message", "watch", "--json"], {
  stdio: ["ignore", "pipe", "inherit"],
})
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => watch.kill())

for await (const line of createInterface({ input: watch.stdout })) {
  const { event, identity, contact, text } = JSON.parse(line)
  if (event === "received") await say(identity, contact, `You said: ${text}`)
}

/** What others chose, a name or a text, comes behind `--` or through standard input: never as a flag. */
async function say(identity, contact, text) {
  const words = ["message", "send", "--quiet", "--identity", identity, "--", contact, "-"]
  const send = spawn(program, [...first, ...words], { stdio: ["pipe", "ignore", "inherit"] })
  send.stdin.end(text)
  await once(send, "close")
}
