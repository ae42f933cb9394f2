/**
 * Programs of others that run beside a test, and end with its scope.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import type { Readable, Writable } from "node:stream"
import type { Scope } from "../../src/base/scope.ts"
import { foreign } from "./foreign-programs.ts"

/** A program that is spoken to by its standard streams; whoever wants its words listens from the start. */
export interface ForeignProcess extends ChildProcess {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
}

/** Starts one; what it says is thrown away unless somebody listens. */
export function startForeign(
  name: string,
  args: readonly string[],
  scope: Scope,
  env = process.env,
): ForeignProcess {
  const program = spawn(foreign(name), args, { env, stdio: "pipe" })
  program.stdin.on("error", () => {}) // it ended before it read everything
  for (const stream of [program.stdout, program.stderr]) stream.resume()
  scope.defer(() => stop(program))
  return program
}

/** Resolves when it said these words on either stream; rejects when it ended before. */
export function hasSaid(program: ForeignProcess, words: RegExp): Promise<void> {
  let said = ""
  return new Promise((resolve, reject) => {
    program.once("exit", () => reject(new Error(`${program.spawnfile} ended: ${said}`)))
    for (const stream of [program.stdout, program.stderr])
      stream.on("data", (chunk: Buffer) => {
        said = (said + chunk).slice(-2_000)
        if (words.test(said)) resolve()
      })
  })
}

/** A port of 127.0.0.1 where nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function stop(program: ChildProcess): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return
  program.kill("SIGKILL")
  await once(program, "exit")
}
