/**
 * The promises of every command line, kept by the real program.
 */
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { EMBEDDED_BANNER } from "../../src/api/protocol.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { Client } from "../../src/cli/client.ts"
import type { OfferDescription } from "../../src/router/offer-description.ts"
import { AlliumProcess, type CommandResult } from "../support/allium-process.ts"
import { befriend } from "../support/friends.ts"
import { eventually } from "../support/story.ts"

const PATIENCE_MS = 30_000
/** Colours and cursor movements begin so. */
const ESCAPE = "\u001b["

describe("the command line", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let router: AlliumProcess
  let nowhere: AlliumProcess
  let offers: readonly OfferDescription[]

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-cli-"))
    bridge = await openEmbeddedBridge()
    const flags = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
    router = new AlliumProcess(join(folder, "home"), flags)
    nowhere = new AlliumProcess(join(folder, "nowhere"), flags)
    await router.start()
    for (const name of ["ann", "bob"]) await router.call("identity create", { name })
    const ann = { who: router, identity: "ann", calls: "bob" }
    await befriend(ann, { who: router, identity: "bob", calls: "ann" })
    const socketPath = join(router.home, "run", "api.sock")
    const { signal } = new AbortController()
    const listing = await new Client({ socketPath, signal, onNetwork: () => {} }).list()
    offers = listing?.offers ?? []
  })
  afterAll(async () => {
    await router?.stop()
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  describe("exit codes", () => {
    it.each([
      { exit: 0, line: "status", says: "" },
      { exit: 1, line: "identity create ann", says: "ALREADY_EXISTS" },
      { exit: 2, line: "name add forum.i2p", says: "BAD_INPUT" },
      { exit: 4, line: "name lookup nobody-has-this.i2p", says: "NAME_NOT_FOUND" },
      { exit: 5, line: "contact accept bob", says: "CONTACT_STATE" },
    ])("$exit: allium $line", async ({ exit, line, says }) => {
      const result = await router.command(line.split(" "))
      expect(result.exit, result.stderr).toBe(exit)
      if (exit > 0) expect(complaintOf(result)).toMatch(new RegExp(`^allium: Cannot .*${says}`))
      expect(result.stdout === "").toBe(exit > 0)
    })

    it("3: no router runs for this home", async () => {
      const result = await nowhere.command(["status"])
      expect(result.exit).toBe(3)
      expect(result.stdout).toBe("")
      expect(result.stderr).toMatch(/NO_ROUTER.*allium run/s)
    })

    it("130: Ctrl-C", async () => {
      const child = router.launch(["message", "watch"])
      await once(child.stderr, "data")
      child.kill("SIGINT")
      expect((await once(child, "exit"))[0]).toBe(130)
    })
  })

  describe("--json", () => {
    it("prints one document a command, for each that needs no argument", async () => {
      const plain = offers.filter(({ stream, input }) => !stream && !(input.required ?? []).length)
      // The usual port may be in use on this machine; a backup and an invitation want a tower.
      const needy = ["tunnel add http-proxy", "identity backup", "tower invite"]
      const verbs = plain.map(({ verb }) => verb).filter((verb) => !needy.includes(verb))
      expect(verbs).toEqual(expect.arrayContaining(["status", "contact card", "file list"]))
      for (const verb of verbs) {
        const { exit, stdout, stderr } = await router.command([...verb.split(" "), "--json"])
        expect(exit, `${verb}: ${stderr}`).toBe(0)
        expect(stdout.split("\n"), verb).toHaveLength(2)
        expect(typeof JSON.parse(stdout), verb).toBe("object")
      }
    })

    it("leaves standard output empty when the command fails", async () => {
      const { exit, stdout } = await router.command(["identity", "show", "nobody", "--json"])
      expect(exit).toBe(1)
      expect(stdout).toBe("")
    })

    it("prints one document a line while message watch runs", async () => {
      const child = router.launch(["message", "watch", "--json", "--identity", "bob"])
      const lines: string[] = []
      createInterface({ input: child.stdout }).on("line", (line) => lines.push(line))
      const send = (text: string) =>
        router.call("message send", { contact: "bob", identity: "ann", text, wait: true })
      // Only messages from then on are shown, and nothing tells when that is.
      const knock = () => send("knock").then(() => lines.length)
      await eventually(knock, (count) => count > 0, PATIENCE_MS)
      for (const text of ["first\nline", "second"]) await send(text)
      const last = () => Promise.resolve(lines.at(-1) ?? "")
      await eventually(last, (line) => line.includes("second"), PATIENCE_MS)
      child.kill("SIGINT")
      await once(child, "exit")
      const all = lines.map((line) => JSON.parse(line) as { text: string; direction: string })
      const told = all.filter(({ text }) => text !== "knock")
      expect(told.map(({ text }) => text)).toEqual(["first\nline", "second"])
      expect(told.every(({ direction }) => direction === "in")).toBe(true)
    })
  })

  describe("while the network is embedded", () => {
    it.each([
      "status",
      "doctor",
      "contact list --json",
      "identity show nobody",
      "name add forum.i2p",
      "message send ann hi --no-such-flag",
      "stauts",
    ])("the first line on standard error says NOT ANONYMOUS: allium %s", async (line) => {
      const { stderr } = await router.command(line.split(" "))
      expect(stderr.split("\n")[0]).toBe(EMBEDDED_BANNER)
    })

    it("so does allium run itself", () => {
      expect(router.said.toString()).toContain(`${EMBEDDED_BANNER}\n`)
    })
  })

  describe("on a terminal", () => {
    it("paints, unless NO_COLOR is set", async () => {
      const painted = await router.onTerminal(["identity", "list"], { NO_COLOR: "" })
      expect(painted.exit).toBe(0)
      expect(painted.screen).toContain(`${ESCAPE}1mname`)
      const plain = await router.onTerminal(["identity", "list"], { NO_COLOR: "1" })
      expect(plain.screen).toContain("ann")
      expect(plain.screen).not.toContain(ESCAPE)
    })

    it("draws how far a file has come, unless --quiet", async () => {
      const path = join(folder, "film.mkv")
      await writeFile(path, Buffer.alloc(3 * 2 ** 20, 7))
      await router.call("file auto", { contact: "ann", identity: "bob", below: "1GiB" })
      const send = ["file", "send", "bob", path, "--identity", "ann", "--wait"]
      bridge.knobs.bandwidthBytesPerSecond = 2 * 2 ** 20
      const loud = await router.onTerminal(send)
      const quiet = await router.onTerminal([...send, "--quiet"])
      bridge.knobs.bandwidthBytesPerSecond = 0
      for (const { exit, screen } of [loud, quiet]) {
        expect(exit, screen).toBe(0)
        expect(screen).toMatch(/done: film\.mkv, 3145728 bytes/)
      }
      expect(loud.screen).toMatch(/\[[#.]{20}\] +\d+% +.* of 3 MiB .*left +sending/)
      expect(quiet.screen).not.toContain("%")
    })
  })

  describe("whoever types", () => {
    it("something like a command is told the command", async () => {
      const { exit, stderr } = await router.command(["stauts"])
      expect(exit).toBe(2)
      expect(stderr).toContain('did you mean "status"?')
    })

    it("half a command is told the rest", async () => {
      const { exit, stdout, stderr } = await router.command(["contact"])
      expect(exit).toBe(2)
      expect(stdout).toBe("")
      expect(stderr).toContain("contact accept")
    })

    it("a text that begins with a dash after -- is understood", async () => {
      const line = ["message", "send", "--identity", "ann", "--", "bob", "--wait"]
      await router.command(line)
      const list = await router.call<{ text: string }[]>("message list", { identity: "ann" })
      expect(list.at(-1)?.text).toBe("--wait")
    })
  })

  describe("completion", () => {
    it("works in a real bash", async () => {
      const { stdout: script, exit } = await router.command(["completion", "bash"])
      expect(exit).toBe(0)
      const offered = await router.inBash(`${script}
        COMP_WORDS=(allium identity re); COMP_CWORD=2; _allium; echo "\${COMPREPLY[*]}"
        COMP_WORDS=(allium status --q); COMP_CWORD=2; _allium; echo "\${COMPREPLY[*]}"`)
      expect(offered).toBe("reach restore\n--quiet\n")
    })

    it.each(["zsh", "fish"])("has a script for %s", async (shell) => {
      const { exit, stdout } = await nowhere.command(["completion", shell])
      expect(exit).toBe(0)
      expect(stdout).toContain("allium __complete")
    })
  })

  describe("a home with a passphrase", () => {
    it("opens with the passphrase's file and nothing else", async () => {
      const [right, wrong] = [join(folder, "right"), join(folder, "wrong")]
      await writeFile(right, "correct horse\n")
      await writeFile(wrong, "wrong horse\n")
      const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
      const home = join(folder, "locked")
      const locked = new AlliumProcess(home, [...network, "--passphrase-file", right])
      await locked.start()
      const { address } = await locked.json<{ address: string }>("identity", "create", "ann")
      expect(await locked.stop()).toBe(0)
      const none = await locked.command(["run", ...network])
      expect([none.exit, complaintOf(none)]).toEqual([5, expect.stringContaining("PASSPHRASE_")])
      const other = await locked.command(["run", ...network, "--passphrase-file", wrong])
      expect([other.exit, complaintOf(other)]).toEqual([5, expect.stringContaining("WRONG_")])
      await locked.start()
      const [again] = await locked.json<{ address: string }[]>("identity", "list")
      expect(again?.address).toBe(address)
      await locked.stop()
    })
  })
})

/** Standard error without the banner. */
function complaintOf({ stderr }: CommandResult): string {
  return stderr.replace(`${EMBEDDED_BANNER}\n`, "")
}
