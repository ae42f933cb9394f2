#!/usr/bin/env node
/**
 * The composition root: puts command line, router and everything built in together.
 *
 * Everything heavy is loaded when it is needed: a command that only asks a running router loads none of it.
 *
 * @module
 */
import { builtInOffers, loadParts } from "./built-in.ts"
import { runCli } from "./cli/cli.ts"
import { localCommand } from "./cli/local.ts"
import { VERSION } from "./router/version.ts"

const run = localCommand({
  words: "run",
  summary: "Start the router and leave it running",
  examples: ["run", "run --network sam --sam 127.0.0.1:7656", "run --network embedded"],
  options: async () => (await import("./cli/commands/network-options.ts")).runOptions,
  run: async (input, call) =>
    (await import("./cli/commands/run.ts")).run(input, call, await loadParts()),
})

const tryOut = localCommand({
  words: "try",
  summary: "Try it out on this machine, with an example contact that answers (not anonymous)",
  examples: ["try", "try --once"],
  options: async () => (await import("./cli/commands/try-options.ts")).tryOptions,
  run: async (input, call) =>
    (await import("./cli/commands/try.ts")).tryOut(input, call, await loadParts()),
})

const nothing = async () => (await import("zod")).z.object({})

const doctor = localCommand({
  words: "doctor",
  summary: "Find out what is wrong, why, and what to do",
  standsIn: true,
  options: nothing,
  run: async (_, call) => (await import("./cli/commands/doctor.ts")).doctor(call),
})

const repair = localCommand({
  words: "repair",
  summary: "Save what can be saved of a damaged store, while no router runs",
  options: async () => (await import("./cli/commands/repair.ts")).repairOptions,
  run: async (input, call) => (await import("./cli/commands/repair.ts")).repair(input, call),
})

const passphraseSet = localCommand({
  words: "passphrase set",
  summary: "Lock the home with a passphrase, or with another one",
  options: async () => (await import("./cli/commands/passphrase.ts")).setOptions,
  run: async (input, call) => (await import("./cli/commands/passphrase.ts")).changeTo(input, call),
})

const passphraseRemove = localCommand({
  words: "passphrase remove",
  summary: "Unlock the home: its key then lies in a file beside the data",
  options: async () => (await import("./cli/commands/passphrase.ts")).removeOptions,
  run: async (input, call) => (await import("./cli/commands/passphrase.ts")).changeTo(input, call),
})

const abort = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    // The second time, the user means it.
    if (abort.signal.aborted) process.exit(130)
    abort.abort()
  })

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  cwd: process.cwd(),
  version: VERSION,
  signal: abort.signal,
  builtInOffers,
  localCommands: [run, tryOut, doctor, repair, passphraseSet, passphraseRemove],
})
process.exit()
