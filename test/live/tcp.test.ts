/**
 * Programs of others through `tcp-client` and `tcp-server`, over real i2pd: ssh, scp, rsync, git, ncat, and XMPP.
 *
 * Run it with `npm run testnet -- npx vitest run --project live test/live/tcp.test.ts`.
 */
import { execFile, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Scope } from "../../src/base/scope.ts"
import { tcpClient } from "../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../tunnels/tcp-server/index.ts"
import { freePort } from "../support/foreign-process.ts"
import { foreign, lacks } from "../support/foreign-programs.ts"
import { liveContext, livePorts } from "../support/live-tunnels.ts"
import {
  openProsody,
  openSendxmpp,
  XMPP_GREETING,
  type XmppPerson,
} from "../support/xmpp-programs.ts"

const MIB = 2 ** 20
/** Of what is copied, in MiB; 100 for the whole promise. */
const FILE_MIB = Number(process.env.ALLIUM_LIVE_FILE_MIB ?? 4)
const KEYSTROKES = 30
/** How long people say nothing; 3,600,000 for the whole promise. */
const IDLE_MS = Number(process.env.ALLIUM_IDLE_MS ?? 20_000)
const hasNoSsh = lacks("dropbear", "dropbearkey", "ssh", "ssh-keygen")
const hasNoXmpp = lacks("prosody", "go-sendxmpp")
const live = livePorts()

async function run(program: string, args: readonly string[], env = {}): Promise<Buffer> {
  const options = { encoding: "buffer", maxBuffer: 2 ** 28 } as const
  const call = { ...options, env: { ...process.env, ...env } }
  return (await promisify(execFile)(program, args, call)).stdout
}

/** Gives `program` its input, ends that, and resolves with what it printed. */
async function feed(program: string, args: readonly string[], input: Uint8Array): Promise<Buffer> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] })
  child.stdin.end(input)
  const [printed] = await Promise.all([buffer(child.stdout), once(child, "exit")])
  return printed
}

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex")

if (live === undefined)
  describe("tcp-client and tcp-server over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe("tcp-client and tcp-server over i2pd", () => {
    const scope = new Scope()
    const bytes = randomBytes(FILE_MIB * MIB)
    /** What came to the backend that takes everything, connection by connection. */
    const taken: Promise<Buffer>[] = []
    let folder: string
    let answering: string
    let taking: string
    let port: string
    let ssh: string[]
    /** Ports that lead to Prosody, each through a client tunnel of its own. */
    let chat: string[]

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "allium-live-"))
      scope.defer(() => rm(folder, { recursive: true, force: true }))
      await writeFile(join(folder, "file.bin"), bytes)
      ;[answering, taking, port, chat] = await Promise.all([
        listen((local) => void local.once("data", () => local.end(bytes))).then(lead),
        listen((local) => void taken.push(buffer(local).finally(() => local.end()))).then((port) =>
          lead(port, (through) => says(through, () => taken.length > 0)),
        ),
        hasNoSsh ? "" : startDropbear().then(lead),
        hasNoXmpp ? [] : leadToProsody(),
      ])
      const known = ["StrictHostKeyChecking=no", `UserKnownHostsFile=${folder}/known`]
      const options = [...known, "BatchMode=yes", "ConnectTimeout=600", "LogLevel=ERROR"]
      const flags = options.flatMap((option) => ["-o", option])
      ssh = ["-F", "/dev/null", "-i", join(folder, "key"), ...flags]
    })
    afterAll(() => scope.close())

    /** A program of this machine that knows half-close; returns its port. */
    async function listen(serve: (local: Socket) => void): Promise<string> {
      const server = createServer({ allowHalfOpen: true }, (local) => {
        local.on("error", () => {})
        serve(local)
      }).listen(0, "127.0.0.1")
      scope.defer(() => server.close())
      await once(server, "listening")
      return String((server.address() as AddressInfo).port)
    }

    /** Through I2P: returns a port of this machine that leads to `expose`, once somebody is there. */
    async function lead(expose: string, hasCome = answers): Promise<string> {
      return enter(await serve(expose), hasCome)
    }

    /** Makes a port of this machine a destination; returns its address. */
    async function serve(expose: string): Promise<string> {
      const far = await liveContext(live!.far, scope)
      return scope.use(await tcpServer.open(far, tcpServer.options.parse({ expose }))).address!
    }

    async function enter(address: string, hasCome: (port: string) => Promise<boolean>) {
      const near = await liveContext(live!.near, scope)
      const options = tcpClient.options.parse({ to: [address], waitSeconds: 600 })
      const client = scope.use(await tcpClient.open(near, options))
      const port = client.listens!.split(":")[1]!
      for (let tries = 1; !(await hasCome(port)); tries++) expect(tries).toBeLessThan(30)
      return port
    }

    async function leadToProsody(): Promise<string[]> {
      const wish = { folder: join(folder, "prosody"), nicks: ["ann", "bob"] }
      const { people } = await openProsody({ ...wish, domain: "localhost" }, scope)
      const address = await serve(String(people))
      const hasCome = (port: string) => answers(port, XMPP_GREETING)
      return Promise.all([enter(address, hasCome), enter(address, hasCome)])
    }

    /** Its user's home is in our folder: the real one, and its keys, stay out of this. */
    async function startDropbear(): Promise<string> {
      const home = join(folder, "home")
      await mkdir(join(home, ".ssh"), { recursive: true, mode: 0o700 })
      const [hostKey, key, users] = ["host-key", "key", "passwd"].map((name) =>
        join(folder, name),
      ) as [string, string, string]
      await run(foreign("dropbearkey"), ["-t", "ed25519", "-f", hostKey])
      await run(foreign("ssh-keygen"), ["-q", "-t", "ed25519", "-N", "", "-f", key])
      await cp(`${key}.pub`, join(home, ".ssh", "authorized_keys"))
      await writeFile(users, `root:x:0:0:root:${home}:/bin/sh\n`)
      const listening = String(await freePort())
      const program = [
        foreign("dropbear"),
        "-F",
        "-s",
        "-W",
        "1048576",
        "-p",
        `127.0.0.1:${listening}`,
      ]
      const script = 'mount --bind "$0" /etc/passwd && exec "$@"'
      const mounted = ["--mount", "sh", "-c", script, users, ...program]
      const child = spawn("unshare", [...mounted, "-r", hostKey, "-P", join(folder, "pid")], {
        stdio: "ignore",
      })
      scope.defer(() => void child.kill())
      return listening
    }

    /** Who talk all through this file; `quietMs` is when both fell silent. */
    let people: [ann: XmppPerson, bob: XmppPerson]
    let quietMs: number

    /** Each says a word that the other one reads. */
    async function expectTalk(word: string): Promise<void> {
      const [ann, bob] = people
      ann.say(`${word} from ann`)
      bob.say(`${word} from bob`)
      const patience = { timeout: 300_000 }
      await expect.poll(() => bob.text, patience).toContain(`ann@localhost: ${word} from ann\n`)
      await expect.poll(() => ann.text, patience).toContain(`bob@localhost: ${word} from bob\n`)
      quietMs = performance.now()
    }

    it.skipIf(hasNoXmpp)("A11: two people at Prosody, each by their own tunnel, talk", async () => {
      const open = (nick: string, to: string, port: string) => {
        const server = `127.0.0.1:${port}`
        return openSendxmpp({ nick, domain: "localhost", to, server, home: folder }, scope)
      }
      people = [open("ann", "bob@localhost", chat[0]!), open("bob", "ann@localhost", chat[1]!)]
      await expectTalk("hello")
    })

    it.skipIf(lacks("ncat"))(
      "A8: `printf | ncat`, which ends its side at once, gets the whole answer",
      async () => {
        const ncat = ["127.0.0.1", answering]
        const got = await feed(foreign("ncat"), ncat, Buffer.from("hello\n"))
        expect(sha256(got)).toBe(sha256(bytes))
      },
    )

    it.skipIf(lacks("ncat"))(
      "A8: `ncat --send-only`, which closes behind its last byte, loses none",
      async () => {
        taken.length = 0
        await feed(foreign("ncat"), ["--send-only", "127.0.0.1", taking], bytes)
        await expect.poll(() => taken.length, { timeout: 300_000 }).toBe(1)
        const got = await taken[0]!
        expect(sha256(got)).toBe(sha256(bytes))
      },
    )

    describe.skipIf(hasNoSsh)("to dropbear", () => {
      const shell = (...command: string[]) =>
        run(foreign("ssh"), [...ssh, "-p", port, "root@127.0.0.1", ...command])

      it("A8: ssh runs a command, and tells how it ended", async () => {
        expect((await shell("echo", "hello")).toString()).toBe("hello\n")
        await expect(shell("exit 7")).rejects.toMatchObject({ code: 7 })
      })

      it("A8: a keystroke over ssh is answered at once", async () => {
        const child = spawn(foreign("ssh"), [...ssh, "-p", port, "root@127.0.0.1", "cat"])
        const lines = createInterface({ input: child.stdout })
        const waitedMs: number[] = []
        for (let count = 0; count < KEYSTROKES; count++) {
          const answer = once(lines, "line")
          const startMs = performance.now()
          child.stdin.write(`${count}\n`)
          expect(await answer).toEqual([String(count)])
          if (count > 0) waitedMs.push(performance.now() - startMs)
          await wait(50)
        }
        child.stdin.end()
        expect(await once(child, "exit")).toEqual([0, null])
        const typical = waitedMs.sort((left, right) => left - right)[KEYSTROKES >> 1]!
        console.log(
          `a keystroke took ${typical.toFixed(0)} ms, ${waitedMs.at(-1)!.toFixed(0)} at most`,
        )
        expect(typical).toBeLessThan(1_000)
      })

      it.skipIf(lacks("scp"))("A8: scp brings a file there and back", async () => {
        const [there, back] = [join(folder, "there.bin"), join(folder, "back.bin")]
        const scp = (...paths: string[]) =>
          run(foreign("scp"), ["-O", ...ssh, "-P", port, ...paths])
        await scp(join(folder, "file.bin"), `root@127.0.0.1:${there}`)
        await scp(`root@127.0.0.1:${there}`, back)
        expect(sha256(await readFile(back))).toBe(sha256(bytes))
      })

      it.skipIf(lacks("rsync"))("A8: rsync brings a folder, then only what changed", async () => {
        const [from, to] = [join(folder, "from"), join(folder, "to")]
        await mkdir(from)
        await writeFile(join(from, "one.bin"), bytes)
        for (let count = 0; count < 50; count++) await writeFile(join(from, `${count}`), `${count}`)
        const remote = [foreign("ssh"), ...ssh, "-p", port].join(" ")
        const words = ["--archive", "--stats", "-e", remote, `--rsync-path=${foreign("rsync")}`]
        const rsync = () => run(foreign("rsync"), [...words, `${from}/`, `root@127.0.0.1:${to}/`])
        await rsync()
        expect(sha256(await readFile(join(to, "one.bin")))).toBe(sha256(bytes))
        expect(await readFile(join(to, "49"), "utf8")).toBe("49")
        await writeFile(join(from, "49"), "changed")
        expect((await rsync()).toString()).toMatch(/regular files transferred: 1\n/)
        expect(await readFile(join(to, "49"), "utf8")).toBe("changed")
      })

      it.skipIf(lacks("git"))("A9: git clones and pushes over ssh", async () => {
        const [bare, work] = [join(folder, "bare.git"), join(folder, "work")]
        const me = ["-c", "user.name=a", "-c", "user.email=a@a"]
        const git = (...words: string[]) =>
          run(foreign("git"), words, { GIT_SSH_COMMAND: [foreign("ssh"), ...ssh].join(" ") })
        await git("init", "--quiet", "--bare", bare)
        const url = `ssh://root@127.0.0.1:${port}${bare}`
        await git("clone", "--quiet", url, work)
        await writeFile(join(work, "file.bin"), bytes.subarray(0, MIB))
        await git("-C", work, "add", ".")
        await git("-C", work, ...me, "commit", "--quiet", "--message", "one")
        await git("-C", work, "push", "--quiet", "origin", "HEAD:refs/heads/main")
        const copy = join(folder, "copy")
        await git("clone", "--quiet", "--branch", "main", url, copy)
        expect((await readFile(join(copy, "file.bin"))).equals(bytes.subarray(0, MIB))).toBe(true)
      })
    })

    it.skipIf(hasNoXmpp)("A11: who said nothing for long is still there, and talks", async () => {
      await wait(Math.max(0, quietMs + IDLE_MS - performance.now()))
      await expectTalk("again")
    })
  })

/** Says a word, and waits until somebody at the other end is told. */
async function says(port: string, hasCome: () => boolean): Promise<boolean> {
  const local = connect(Number(port), "127.0.0.1")
  local.on("error", () => {}).end("\n")
  for (let tries = 0; tries < 100 && !hasCome(); tries++) await wait(200)
  local.destroy()
  return hasCome()
}

/** Whether anything comes back: the first stream of a new session may be silent on i2pd. */
async function answers(port: string, greeting = "\n"): Promise<boolean> {
  const local = connect(Number(port), "127.0.0.1")
  local.on("error", () => {}).write(greeting)
  const answer = await once(local, "data", { signal: AbortSignal.timeout(20_000) }).catch(() => [])
  local.destroy()
  return answer.length > 0
}
