/**
 * Programs of others that speak XMPP: Prosody, and go-sendxmpp for the people at it.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Scope } from "../../src/base/scope.ts"
import { freePort, hasSaid, startForeign } from "./foreign-process.ts"

/** What the server is called; the certificate below names it. */
const DOMAIN = "localhost"
const [CERTIFICATE, KEY] = ["certificate.pem", "key.pem"].map((name) =>
  fileURLToPath(new URL(`../vectors/tls/${name}`, import.meta.url)),
) as [string, string]
/** The first words of a client; whoever says them to the server is answered. */
export const XMPP_GREETING =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' " +
  `to='${DOMAIN}' xmlns:stream='http://etherx.jabber.org/streams'>`

/** Starts a server that wants TLS and these people's passwords; returns its port on 127.0.0.1 when it takes connections. */
export async function openProsody(
  folder: string,
  nicks: readonly string[],
  scope: Scope,
): Promise<number> {
  const port = await freePort()
  const accounts = join(folder, DOMAIN, "accounts")
  await mkdir(accounts, { recursive: true })
  for (const nick of nicks)
    await writeFile(join(accounts, `${nick}.dat`), `return { password = "${passwordOf(nick)}" }\n`)
  const config = join(folder, "prosody.cfg.lua")
  const lines = [
    `data_path = "${folder}"; run_as_root = true; log = { info = "*console" }`,
    `interfaces = { "127.0.0.1" }; c2s_ports = { ${port} }`,
    'modules_enabled = { "roster", "saslauth", "tls" }; modules_disabled = { "s2s" }',
    'c2s_require_encryption = true; authentication = "internal_plain"',
    `VirtualHost "${DOMAIN}" ssl = { certificate = "${CERTIFICATE}"; key = "${KEY}" }`,
  ]
  await writeFile(config, `${lines.join("\n")}\n`)
  const program = startForeign("prosody", ["--config", config, "-F"], scope)
  await hasSaid(program, /Activated service 'c2s' on \[127/)
  return port
}

/** Somebody who talks with one other person; what comes while nobody listens, the server keeps. */
export interface XmppPerson {
  /** What came so far, each line behind the time and the sender. */
  readonly text: string
  say(line: string): void
}

/** Starts one whose programs connect to `server`, as HOST:PORT; the server's certificate is checked. */
export function openSendxmpp(
  given: { nick: string; to: string; server: string; home: string },
  scope: Scope,
): XmppPerson {
  const { nick, to, server, home } = given
  const env = { ...process.env, HOME: home, SSL_CERT_FILE: CERTIFICATE }
  const who = ["--username", `${nick}@${DOMAIN}`, "--password", passwordOf(nick)]
  const words = [...who, "--jserver", server, "--timeout", "600"]
  const ear = startForeign("go-sendxmpp", [...words, "--listen"], scope, env)
  const mouth = startForeign(
    "go-sendxmpp",
    [...words, "--interactive", `${to}@${DOMAIN}`],
    scope,
    env,
  )
  let text = ""
  ear.stdout.on("data", (chunk: Buffer) => {
    text += chunk
  })
  return {
    say: (line) => void mouth.stdin.write(`${line}\n`),
    get text() {
      return text
    },
  }
}

const passwordOf = (nick: string) => `secret of ${nick}`
