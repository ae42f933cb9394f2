import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { silentLog } from "../../../src/base/log.ts"
import { findI2pd, type I2pdChild, openI2pdChild } from "../../../src/router/i2pd-child.ts"
import { FakeClock } from "../../support/fake-clock.ts"

/** Stays, and says with which PATH and flags it was started. */
const STAYS = '#!/bin/sh\necho "$PATH $*" > "$0.started"\nwhile :; do /bin/sleep 0.1; done\n'

describe.skipIf(process.platform === "win32")("openI2pdChild()", () => {
  const { PATH } = process.env
  const clock = new FakeClock()
  let folder: string
  let program: string
  let child: I2pdChild | undefined

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-i2pd-"))
    program = join(folder, "i2pd")
    await writeFile(program, STAYS, { mode: 0o700 })
  })
  afterEach(async () => {
    process.env.PATH = PATH
    await child?.[Symbol.asyncDispose]()
    child = undefined
    await rm(folder, { recursive: true })
  })

  const open = async () => {
    child = await openI2pdChild({ program, folder, clock, chance: () => 0, log: silentLog })
    return child
  }
  const isAlive = (processId: number) => {
    try {
      return process.kill(processId, 0)
    } catch {
      return false
    }
  }
  const killed = async (processId: number) => {
    process.kill(processId, "SIGKILL")
    await expect.poll(() => child?.processId).toBeUndefined()
  }

  it.each([
    { where: "with setpriv", path: PATH },
    { where: "where there is no setpriv", path: "/nonexistent" },
  ])("starts the program $where, and ends it when closed", async ({ path }) => {
    process.env.PATH = path
    const { processId = 0, samPort } = await open()
    expect(isAlive(processId)).toBe(true)
    const started = () => readFile(`${program}.started`, "utf8").catch(() => "")
    await expect.poll(started).toContain(`--datadir=${folder}`)
    expect(await readFile(join(folder, "i2pd.conf"), "utf8")).toContain(`port = ${samPort}`)
    expect((await stat(join(folder, "i2pd.conf"))).mode & 0o777).toBe(0o600)
    await child?.[Symbol.asyncDispose]()
    expect(isAlive(processId)).toBe(false)
  })

  it("starts it again whenever it ends, on the same port", async () => {
    const { processId = 0 } = await open()
    const port = child?.samPort
    await killed(processId)
    await clock.pass(1_000)
    await expect.poll(() => child?.processId).toBeGreaterThan(0)
    expect(child?.processId).not.toBe(processId)
    expect(child?.restarts).toBe(1)
    expect(child?.samPort).toBe(port)
  })

  it("goes on trying while the program is away, as in an upgrade", async () => {
    const { processId = 0 } = await open()
    await chmod(program, 0o600)
    process.env.PATH = "/nonexistent" // setpriv would start, and fail later
    await killed(processId)
    await expect.poll(() => clock.sleeping()).toEqual([1_000])
    await clock.pass(1_000)
    await expect.poll(() => clock.sleeping()).toEqual([2_000])
    expect(child?.processId).toBeUndefined()
    await chmod(program, 0o700)
    await clock.pass(2_000)
    await expect.poll(() => child?.processId).toBeGreaterThan(0)
    expect(child?.restarts).toBe(2)
  })

  it.runIf(process.platform === "linux")("ends what a killed router left behind", async () => {
    const left = spawn(program, [`--datadir=${folder}`], { stdio: "ignore" })
    await once(left, "spawn")
    await writeFile(join(folder, "allium.pid"), `${left.pid}\n`)
    const gone = once(left, "exit")
    await open()
    expect((await gone)[1]).toBe("SIGKILL")
  })

  it("refuses what cannot be started", async () => {
    process.env.PATH = "/nonexistent"
    await chmod(program, 0o600)
    await expect(open()).rejects.toMatchObject({ code: "I2PD_FAILED" })
  })

  it("is found on PATH", async () => {
    expect(await findI2pd(`/nonexistent:${folder}`)).toBe(program)
  })
})
