/**
 * Programs of others that chat: ngIRCd, WeeChat without a screen, irssi, and somebody who reads what is said raw.
 *
 * @module
 */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { dirname, join } from "node:path"
import type { Scope } from "../../src/base/scope.ts"
import { freePort, hasSaid, startForeign } from "./foreign-process.ts"
import { findForeign, foreign } from "./foreign-programs.ts"

/** Where the people meet. */
export const ROOM = "#room"

/** Starts an IRC server in `folder`; returns its port on 127.0.0.1 when it takes connections. */
export async function openNgircd(folder: string, webirc: string, scope: Scope): Promise<number> {
  const port = await freePort()
  const config = join(folder, "ngircd.conf")
  const lines = [
    "[Global]\nName = irc.test.i2p\nInfo = Test\nMotdPhrase = hello\nListen = 127.0.0.1",
    `AdminInfo1 = Test\nAdminInfo2 = Test\nAdminEMail = a@test.i2p\nPorts = ${port}`,
    "[Limits]\nMaxConnectionsIP = 0",
    `[Options]\nDNS = yes\nIdent = no\nPAM = no\nWebircPassword = ${webirc}`,
  ]
  await writeFile(config, `${lines.join("\n")}\n`)
  await hasSaid(startForeign("ngircd", ["-n", "-f", config], scope), / ready\./)
  return port
}

/** WeeChat, which joins {@linkcode ROOM} and does what it is told. */
export interface WeeChat {
  /** Carries out commands, separated by `;`. */
  tell(commands: string): Promise<void>
  /** What it logged of a buffer, such as `server.net` or `net.#room`. */
  log(buffer: string): Promise<string>
}

/** Starts one that connects to `server`, as HOST:PORT. */
export async function openWeeChat(
  given: { folder: string; nick: string; server: string },
  scope: Scope,
): Promise<WeeChat> {
  const { folder, nick, server } = given
  const aliases = join(folder, "alias.conf")
  await mkdir(folder)
  await writeFile(aliases, "[cmd]\n")
  await writeFile(join(folder, "weechat.conf"), '[signal]\nsigusr1 = "/reload alias;/go"\n')
  await writeFile(join(folder, "logger.conf"), "[file]\nflush_delay = 0\n")
  const options = { addresses: server.replace(":", "/"), nicks: nick, autojoin: ROOM }
  const lines = Object.entries(options).map(([name, value]) => `net.${name} = "${value}"`)
  await writeFile(
    join(folder, "irc.conf"),
    `[server]\n${lines.join("\n")}\nnet.autoconnect = on\nnet.connection_timeout = 600\n`,
  )
  const env = { ...process.env, WEECHAT_EXTRA_LIBDIR: pluginFolder() }
  const program = startForeign("weechat-headless", ["--dir", folder], scope, env)
  return {
    async tell(commands) {
      await writeFile(aliases, `[cmd]\ngo = "${commands}"\n`)
      program.kill("SIGUSR1")
    },
    log: (buffer) =>
      readFile(join(folder, "logs", `irc.${buffer}.weechatlog`), "utf8").catch(() => ""),
  }
}

/** irssi on a terminal of its own, which joins {@linkcode ROOM} and does what is typed. */
export interface Irssi {
  /** Types one line. */
  type(line: string): void
  /** What it logged of {@linkcode ROOM}. */
  log(): Promise<string>
}

/** Starts one that connects to `server`, as HOST:PORT. */
export async function openIrssi(
  given: { folder: string; nick: string; server: string },
  scope: Scope,
): Promise<Irssi> {
  const { folder, nick, server } = given
  const [host, port] = server.split(":")
  await mkdir(folder)
  const lines = [
    `servers = ({ address = "${host}"; port = "${port}"; chatnet = "net"; autoconnect = "yes"; });`,
    `chatnets = { net = { type = "IRC"; nick = "${nick}"; }; };`,
    `channels = ({ name = "${ROOM}"; chatnet = "net"; autojoin = "yes"; });`,
    `settings = { core = { server_connect_timeout = "600s"; };`,
    `"fe-common/core" = { autolog = "yes"; autolog_path = "${folder}/$0.log"; }; };`,
  ]
  await writeFile(join(folder, "config"), `${lines.join("\n")}\n`)
  const command = `'${foreign("irssi")}' --home '${folder}'`
  const env = { ...process.env, TERM: "xterm", HOME: folder }
  const words = ["--quiet", "--flush", "--return", "--command", command, "/dev/null"]
  const terminal = startForeign("script", words, scope, env)
  return {
    type: (line) => void terminal.stdin.write(`${line}\r`),
    log: () => readFile(join(folder, `${ROOM}.log`), "utf8").catch(() => ""),
  }
}

/** Somebody beside the server. */
export interface Observer {
  /** Every line so far, raw. */
  readonly text: string
  say(line: string): void
}

/** Joins {@linkcode ROOM} straight at the server's port, as `eve`. */
export function openObserver(port: number, scope: Scope): Observer {
  const socket = connect({ host: "127.0.0.1", port })
  scope.defer(() => void socket.destroy())
  const say = (line: string) => void socket.write(`${line}\r\n`)
  let text = ""
  socket.setEncoding("latin1").on("error", () => {})
  socket.on("data", (chunk: string) => {
    text += chunk
    if (chunk.startsWith("PING")) say(chunk.trim().replace("PING", "PONG"))
  })
  say(`NICK eve\r\nUSER eve localhost localhost :eve\r\nJOIN ${ROOM}`)
  return {
    say,
    get text() {
      return text
    },
  }
}

/** Beside the program, where it was unpacked; an installed WeeChat knows its own. */
function pluginFolder(): string {
  const beside = findForeign("weechat-headless")!
  return join(dirname(beside), "../root/usr/lib/x86_64-linux-gnu/weechat")
}
