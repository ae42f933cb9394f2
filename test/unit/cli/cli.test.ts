import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PassThrough, Writable } from "node:stream"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { EMBEDDED_BANNER } from "../../../src/api/protocol.ts"
import { AlliumError } from "../../../src/base/errors.ts"
import { type LocalCall, localCommand } from "../../../src/cli/local.ts"
import { openSampleApi } from "../../contract/api/sample-api.ts"
import { type CliChange, sampleCli } from "../../contract/api/sample-cli.ts"

const NOWHERE = "/nowhere/at/all"

/** The machine may be busy. */
const PATIENT = { timeout: 5_000 }

describe("runCli() without a router", () => {
  it.each(["note echo hi", "note count 3 --json", "note list --quiet", "note hang", "secret keep"])(
    "ends %j with 3 and says how to start one",
    async (line) => {
      const { exit, stdout, stderr } = await sampleCli(NOWHERE, line.split(" "))
      expect([exit, stdout]).toEqual([3, ""])
      expect(stderr).toBe(
        `allium: Cannot reach the router: none runs for this home (NO_ROUTER). Start one with "allium run", or try it out with "allium try".\n`,
      )
    },
  )

  it.each([
    ["note eho", 2, `did you mean "note echo"?`],
    ["note", 2, "expected one more word"],
    ["note echo", 2, "<text> is missing"],
    ["note echo a b", 2, "expected 1 word after it, found 2"],
    ["note echo a --tone shrill", 2, `tone is "shrill", expected one of "calm", "loud"`],
    ["note echo a --times many", 2, "times is no number"],
    ["note echo a --times", 2, "not enough arguments following: times"],
    ["note echo a --bogus 1", 2, "unknown argument: bogus"],
    ["note echo a --bogus\x1b[2J", 2, "unknown argument: bogus\\u{1b}[2J"],
    ["frobnicate", 2, "no such command"],
  ])("answers wrong usage %j with %i", async (line, code, says) => {
    const { exit, stdout, stderr } = await sampleCli(NOWHERE, line.split(" "))
    expect([exit, stdout]).toEqual([code, ""])
    expect(stderr).toContain(says)
  })

  it("does not repeat a word that may be a secret in the wrong place", async () => {
    const { stderr } = await sampleCli(NOWHERE, ["secret", "keep", "hunter2"])
    expect(stderr).toContain("BAD_INPUT")
    expect(stderr).not.toContain("hunter2")
  })

  it("prints its version", async () => {
    expect(await sampleCli(NOWHERE, ["--version"])).toEqual({
      exit: 0,
      stdout: "1.2.3\n",
      stderr: "",
    })
  })
})

describe("runCli() and help", () => {
  it("lists commands of one word, and what can follow the first word of others", async () => {
    for (const argv of [[], ["--help"], ["help"]]) {
      const { exit, stdout } = await sampleCli(NOWHERE, argv)
      expect(exit).toBe(0)
      expect(stdout).toMatch(/\n {2}note +[a-z, ]*\becho\b/)
      expect(stdout).toContain("\n  completion  Print a completion script")
      expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThan(96)
    }
  })

  it("lists a group", async () => {
    const { stdout } = await sampleCli(NOWHERE, ["secret", "--help"])
    expect(stdout).toBe(
      "Usage: allium secret COMMAND\n\n  secret keep  Count the letters of a secret\n",
    )
  })

  it("explains a command from its declaration", async () => {
    const { exit, stdout } = await sampleCli(NOWHERE, ["note", "echo", "--help"])
    expect(exit).toBe(0)
    expect(stdout).toBe(`allium note echo <text>

Give back what was said

Positionals:
  text  What to say                                                     [string]

Options:
  -n, --times     How often                                [number] [default: 1]
      --tone                                  [string] [choices: "calm", "loud"]
      --tag                                                              [array]
      --identity  Who speaks                                            [string]

Every command:
      --home   Folder of the router (default: see allium --help)        [string]
      --json   Print JSON: one document, or one a line                 [boolean]
      --quiet  No progress                                             [boolean]
  -h, --help   Show this help                                          [boolean]

Examples:
  allium note echo "hello" --times 2
  allium note echo - < letter.txt
`)
  })

  it("never takes a secret as a word", async () => {
    const { stdout } = await sampleCli(NOWHERE, ["help", "secret", "keep"])
    expect(stdout).toContain("--passphrase-file")
    expect(stdout).not.toMatch(/--passphrase /)
  })
})

describe("runCli() with a router", () => {
  let sample: Awaited<ReturnType<typeof openSampleApi>>
  beforeAll(async () => {
    sample = await openSampleApi()
  })
  afterAll(async () => {
    await sample[Symbol.asyncDispose]()
  })
  const allium = (line: string, change?: CliChange) =>
    sampleCli(sample.folder, line.split(" "), change)

  it.each([
    ["note echo hi --identity work", "work: hi\n"],
    ["note count 3", "step 1\nstep 2\nstep 3\n"],
    ["note list", "name        size\na\\u{202e}b  12\nlonger      3\n"],
    ["note list --empty", "Nothing there.\n"],
    ["note list --json", `[{"name":"a\\u202eb","size":12},{"name":"longer","size":3}]\n`],
    ["note count 2 --json", `{"step":1}\n{"step":2}\n`],
    ["note list --empty --json", "[]\n"],
  ])("prints %j", async (line, stdout) => {
    expect(await allium(line)).toEqual({ exit: 0, stdout, stderr: "" })
  })

  it("finds the router by --home, before and after the verb", async () => {
    const env = { ALLIUM_HOME: NOWHERE }
    const before = await sampleCli("", ["--home", sample.folder, "note", "echo", "hi"], { env })
    const after = await sampleCli("", ["note", "echo", "hi", `--home=${sample.folder}`], { env })
    expect([before.stdout, after.stdout]).toEqual(["nobody: hi\n", "nobody: hi\n"])
  })

  it("knows only what the router knows", async () => {
    const builtInOffers = async () => {
      throw new Error("not asked")
    }
    expect((await allium("note echo hi", { builtInOffers })).exit).toBe(0)
    expect((await allium("built in", { builtInOffers })).stderr).toContain("UNKNOWN_VERB")
  })

  it.each([
    [
      "note fail away",
      4,
      "allium: Cannot reach ann: no answer, expected one (PEER_UNREACHABLE). The other side may be away: try again later.\n",
    ],
    [
      "note fail refused",
      5,
      "allium: Cannot write to ann: she is blocked, expected accepted (CONTACT_STATE).\n",
    ],
    ["note fail plugin", 1, "allium: Cannot go on: it is late (PLUGIN_TOO_LATE).\n"],
  ])("ends %j with %i and one sentence", async (line, exit, stderr) => {
    expect(await allium(line)).toEqual({ exit, stdout: "", stderr })
  })

  it.each([
    ["-", "note echo -", "a letter\nof two lines\n", "nobody: a letter\\nof two lines\n"],
    ["nothing", "note echo hi", "unread", "nobody: hi\n"],
    ["a secret", "secret keep", "hunter2\n", "7 letters\n"],
    ["a secret without line end", "secret keep", "hunter2", "7 letters\n"],
    ["a secret file", "secret keep --passphrase-file -", "hunter22\r\n", "8 letters\n"],
  ])("reads %s from standard input", async (_, line, typed, stdout) => {
    expect((await allium(line, { typed })).stdout).toBe(stdout)
  })

  it("reads a secret from a file, and says when it cannot", async () => {
    const folder = await mkdtemp(join(tmpdir(), "allium-cli-"))
    await writeFile(join(folder, "phrase"), "hunter2\n")
    expect((await allium("secret keep --passphrase-file phrase", { cwd: folder })).stdout).toBe(
      "7 letters\n",
    )
    const { exit, stderr } = await allium("secret keep --passphrase-file none", { cwd: folder })
    expect([exit, stderr]).toEqual([
      2,
      expect.stringContaining("passphrase-file cannot be read (ENOENT) (BAD_INPUT)"),
    ])
    await rm(folder, { recursive: true })
  })

  it("says when a secret does not come", async () => {
    expect((await allium("secret keep", { typed: "" })).stderr).toContain(
      "passphrase did not come by standard input",
    )
  })

  it("asks for a secret on a terminal, and shows nothing of it", async () => {
    const typed = "hunterX\x7f2\x15hunter2\r"
    const { stdout, stderr } = await allium("secret keep", { typed, columns: 60 })
    expect(stdout).toBe("7 letters\n")
    expect(stderr).toBe("passphrase: \n")
  })

  it("ends with 130 when Ctrl-C is typed instead of a secret", async () => {
    const { exit, stdout, stderr } = await allium("secret keep", { typed: "hun\x03", columns: 60 })
    expect([exit, stdout, stderr]).toEqual([130, "", "passphrase: \n"])
  })

  it("makes paths absolute", async () => {
    const { stdout } = await allium("secret keep --where ../b --json", {
      typed: "x\n",
      cwd: "/a/folder",
    })
    expect(JSON.parse(stdout)).toEqual({ letters: 1, where: "/a/b" })
  })

  it("ends with 130 at Ctrl-C, and the run ends too", async () => {
    const stop = new AbortController()
    const running = allium("note hang", { signal: stop.signal })
    await sample.seen.hanging
    stop.abort()
    expect(await running).toEqual({ exit: 130, stdout: "", stderr: "" })
    await expect.poll(() => sample.seen.left, PATIENT).toBe(1)
  })

  it("ends quietly when its reader has gone", async () => {
    const stdout = new Writable({
      write: (_chunk, _encoding, done) =>
        done(Object.assign(new Error("broken pipe"), { code: "EPIPE" })),
    })
    const { exit, stderr } = await allium("note count 1000", { stdout })
    expect([exit, stderr]).toEqual([0, ""])
  })

  it("waits for a slow reader", async () => {
    let written = 0
    let waiting = 0
    let waitingMax = 0
    const stdout = new Writable({
      highWaterMark: 16,
      write: (_chunk, _encoding, done) => {
        written++
        waitingMax = Math.max(waitingMax, stdout.writableLength, ++waiting)
        setImmediate(() => {
          waiting--
          done()
        })
      },
    })
    expect((await allium("note count 200", { stdout })).exit).toBe(0)
    expect(written).toBe(200)
    expect(waitingMax).toBeLessThan(32)
  })

  it("draws a bar on a terminal, and takes it away", async () => {
    const { stdout, stderr } = await allium("note echo hi", { columns: 60 })
    expect(stderr).toBe("\r[##########..........]  50%  1 of 2  thinking\x1b[K\r\x1b[K")
    expect(stdout).toBe("nobody: hi\n")
    expect((await allium("note echo hi --quiet", { columns: 60 })).stderr).toBe("")
  })

  it.each([
    [{}, undefined, "name "],
    [{}, 60, "\x1b[1mname "],
    [{ NO_COLOR: "1" }, 60, "name "],
    [{ FORCE_COLOR: "1" }, undefined, "\x1b[1mname "],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, undefined, "\x1b[1mname "],
    [{ FORCE_COLOR: "0" }, 60, "name "],
    [{ TERM: "dumb" }, 60, "name "],
  ])("with %j on a terminal of %s columns begins a table with %j", async (env, columns, begins) => {
    const change = { env: { ...env, ALLIUM_HOME: sample.folder }, ...(columns && { columns }) }
    expect((await allium("note list", change)).stdout.startsWith(begins)).toBe(true)
  })
})

describe("runCli() on the embedded network", () => {
  it.each([
    ["note echo hi", "nobody: hi\n"],
    ["note echo hi --quiet", "nobody: hi\n"],
    ["note count 1 --json --quiet", `{"step":1}\n`],
    ["--help", undefined],
    ["note fail away", ""],
  ])("warns first at %j, on standard error, once", async (line, stdout) => {
    await using sample = await openSampleApi({ banner: () => EMBEDDED_BANNER })
    const outcome = await sampleCli(sample.folder, line.split(" "))
    expect(outcome.stderr.split("\n")[0]).toBe("NOT ANONYMOUS: embedded network, this machine only")
    expect(outcome.stderr.match(/NOT ANONYMOUS/g)).toHaveLength(1)
    if (stdout !== undefined) expect(outcome.stdout).toBe(stdout)
  })

  it("does not disturb completion", async () => {
    await using sample = await openSampleApi({ banner: () => EMBEDDED_BANNER })
    const outcome = await sampleCli(sample.folder, ["__complete", "note", "e"])
    expect(outcome).toEqual({ exit: 0, stdout: "echo\n", stderr: "" })
  })
})

describe("runCli() and a router that fails", () => {
  it.each([
    ["says nothing but 200", "", "NO_ROUTER", 3],
    ["breaks off", 'event: item\ndata: {"step":1}\n\n', "NO_ROUTER", 3],
    ["breaks off in the middle of a frame", "event: done\ndata: nu", "NO_ROUTER", 3],
  ])("tells of one that %s", async (_, answer, code, exit) => {
    await using sample = await openSampleApi()
    const listing = (await sample.ask("socket", { method: "GET", path: "/v1" })).body
    const home = await mkdtemp(join(tmpdir(), "allium-cli-"))
    const { mkdir } = await import("node:fs/promises")
    await mkdir(join(home, "run"))
    const server = createServer((request, response) => {
      if (request.method === "GET") return response.end(listing)
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(answer, () => request.socket.destroy())
      return response
    })
    await new Promise<void>((resolve) => server.listen(join(home, "run", "api.sock"), resolve))
    const outcome = await sampleCli(home, ["note", "count", "3"])
    expect(outcome.stderr).toContain(code)
    expect(outcome.exit).toBe(exit)
    await new Promise((resolve) => server.close(resolve))
    await rm(home, { recursive: true })
  })
})

describe("localCommand()", () => {
  const seen: { input: unknown; call: LocalCall }[] = []
  const run = localCommand({
    words: "run",
    summary: "Run the router",
    examples: ["run --network sam"],
    options: () =>
      z.object({
        network: z.enum(["auto", "sam"]).default("auto").meta({ description: "Which" }),
        sam: z.string().optional(),
        log: z.string().optional().meta({ kind: "path" }),
      }),
    async run(input, call) {
      seen.push({ input, call })
      if (input.sam === "bad")
        throw new AlliumError("BRIDGE_UNREACHABLE", "Cannot reach the bridge: nothing listens")
      await call.terminal.print("ready")
      return 7
    },
  })

  it("runs in this process, without a router, with the same flags", async () => {
    const line = "run --network sam --sam 127.0.0.1:7656 --log l --json"
    const outcome = await sampleCli("/h", line.split(" "), { localCommands: [run] })
    expect(outcome).toEqual({ exit: 7, stdout: "ready\n", stderr: "" })
    expect(seen[0]?.input).toEqual({ network: "sam", sam: "127.0.0.1:7656", log: "/a/folder/l" })
    expect(seen[0]?.call).toMatchObject({
      json: true,
      quiet: false,
      cwd: "/a/folder",
      paths: { home: "/h", socket: "/h/run/api.sock" },
    })
  })

  it.each([
    ["run --network x", 2, 'network is "x"'],
    ["run --bogus", 2, "unknown argument: bogus"],
    ["run now", 2, "expected 0 words after it, found 1"],
    ["run --sam bad", 4, "Cannot reach the bridge: nothing listens (BRIDGE_UNREACHABLE)"],
  ])("ends %j with %i", async (line, exit, says) => {
    const outcome = await sampleCli("/h", line.split(" "), { localCommands: [run] })
    expect([outcome.exit, outcome.stderr]).toEqual([exit, expect.stringContaining(says)])
  })

  it("has help, and is listed and completed", async () => {
    const change = { localCommands: [run] }
    expect((await sampleCli("/h", ["run", "--help"], change)).stdout).toContain(
      `[choices: "auto", "sam"] [default: "auto"]`,
    )
    expect((await sampleCli("/h", ["--help"], change)).stdout).toContain(
      "  run         Run the router\n",
    )
    expect((await sampleCli("/h", ["__complete", "run", "--network", ""], change)).stdout).toBe(
      "auto\nsam\n",
    )
  })
})

describe("allium completion", () => {
  it.each(["bash", "zsh", "fish"])("prints a script for %s that asks allium", async (shell) => {
    const { exit, stdout } = await sampleCli(NOWHERE, ["completion", shell])
    expect(exit).toBe(0)
    expect(stdout).toContain("allium __complete ")
  })

  it("refuses other shells", async () => {
    expect((await sampleCli(NOWHERE, ["completion", "tcsh"])).exit).toBe(2)
    expect((await sampleCli(NOWHERE, ["completion"])).exit).toBe(2)
  })
})

describe("the streams of a command", () => {
  it("are left as they were", async () => {
    const stdout = new PassThrough()
    await sampleCli(NOWHERE, ["--version"], { stdout })
    expect(stdout.listenerCount("error")).toBe(0)
  })
})
