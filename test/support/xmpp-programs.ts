/**
 * Programs of others that speak XMPP: Prosody, and go-sendxmpp for the people at it.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Scope } from "../../src/base/scope.ts"
import { freePort, hasSaid, startForeign } from "./foreign-process.ts"
import { foreign } from "./foreign-programs.ts"

/** The names that servers can have here, each with its certificate and key. */
const PAPERS = {
  localhost: ["tls/certificate.pem", "tls/key.pem"],
  "sam.test": ["sam/tls-certificate.pem", "sam/tls-key.pem"],
} as const
type Domain = keyof typeof PAPERS

/** The first words of a client; whoever says them to `localhost` is answered. */
export const XMPP_GREETING =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' " +
  "to='localhost' xmlns:stream='http://etherx.jabber.org/streams'>"

/** A server to be started. */
interface ProsodyWish {
  readonly folder: string
  readonly domain: Domain
  readonly nicks: readonly string[]
  /** A server it may speak with. */
  readonly other?: Domain
  /** How it reaches that one, if not over its streams: a destination, by a SOCKS proxy at HOST:PORT. */
  readonly way?: { readonly address: string; readonly proxy: string }
}

/** Ports of 127.0.0.1: for people, and for other servers. */
interface ProsodyPorts {
  readonly people: number
  readonly servers: number
}

/** Starts one; it wants TLS, its people's passwords and other servers' certificates. Ready, it takes connections. */
export async function openProsody(wish: ProsodyWish, scope: Scope): Promise<ProsodyPorts> {
  const { folder, domain, nicks } = wish
  const ports = { people: await freePort(), servers: await freePort() }
  const accounts = join(folder, domain.replace(".", "%2e"), "accounts")
  await mkdir(accounts, { recursive: true })
  for (const nick of nicks)
    await writeFile(join(accounts, `${nick}.dat`), `return { password = "${passwordOf(nick)}" }\n`)
  const config = join(folder, "prosody.cfg.lua")
  await writeFile(config, `${configLines(wish, ports).join("\n")}\n`)
  const program = startForeign("prosody", ["--config", config, "-F"], scope)
  await hasSaid(program, /Activated service 'c2s' on \[127/)
  return ports
}

function configLines({ folder, domain, other, way }: ProsodyWish, ports: ProsodyPorts): string[] {
  const modules = ["roster", "saslauth", "tls"]
  if (other !== undefined) modules.push("s2s", "s2s_bidi")
  if (way !== undefined) modules.push("onions")
  const [certificate, key] = PAPERS[domain].map(vector)
  const trusted = other && `; cafile = "${vector(PAPERS[other][0])}"`
  const papers = `{ certificate = "${certificate}"; key = "${key}"${trusted ?? ""} }`
  return [
    `data_path = "${folder}"; run_as_root = true; log = { info = "*console" }`,
    `interfaces = { "127.0.0.1" }; c2s_ports = { ${ports.people} }; s2s_ports = { ${ports.servers} }`,
    `modules_enabled = { "${modules.join('", "')}" }`,
    `modules_disabled = { ${other === undefined ? '"s2s"' : ""} }`,
    'c2s_require_encryption = true; authentication = "internal_plain"; s2s_secure_auth = true',
    ...(other && way ? wayLines(other, way) : []),
    `ssl = ${papers}`,
    `VirtualHost "${domain}" ssl = ${papers}`,
  ]
}

/** A name that is not on the map is not looked for. */
function wayLines(other: Domain, { address, proxy }: NonNullable<ProsodyWish["way"]>): string[] {
  const [host, port] = proxy.split(":")
  return [
    `plugin_paths = { "${dirname(foreign("mod_onions.lua"))}" }`,
    `onions_socks5_host = "${host}"; onions_socks5_port = ${port}; onions_only = true`,
    `onions_map = { ["${other}"] = "${address}" }`,
  ]
}

/** Somebody who talks with one other person; what comes while nobody listens, the server keeps. */
export interface XmppPerson {
  /** What came so far, each line behind the time and the sender. */
  readonly text: string
  say(line: string): void
}

/** Starts one whose programs connect to `server`, as HOST:PORT; the server's certificate is checked. */
export function openSendxmpp(
  given: { nick: string; domain: Domain; to: string; server: string; home: string },
  scope: Scope,
): XmppPerson {
  const { nick, domain, to, server, home } = given
  const env = { ...process.env, HOME: home, SSL_CERT_FILE: vector(PAPERS[domain][0]) }
  const who = ["--username", `${nick}@${domain}`, "--password", passwordOf(nick)]
  const words = [...who, "--jserver", server, "--timeout", "600"]
  const ear = startForeign("go-sendxmpp", [...words, "--listen"], scope, env)
  const mouth = startForeign("go-sendxmpp", [...words, "--interactive", to], scope, env)
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

const vector = (path: string) => fileURLToPath(new URL(`../vectors/${path}`, import.meta.url))
