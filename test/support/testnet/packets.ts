/**
 * Counts every packet that would have left the namespace, and names where it wanted to go.
 *
 * The kernel's own counter on the outside device is the number; tcpdump's capture gives the names.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { setTimeout as delay } from "node:timers/promises"
import { OUTSIDE_DEVICE } from "./namespace.ts"
import { type PacketHead, PcapReader } from "./pcap.ts"

/** One place packets wanted to go to. */
export interface PacketDestination {
  /** As in {@linkcode PacketHead}. */
  readonly to: string
  /** Where the first of them came from; `5.N.0.1` is router N. */
  readonly from: string
  readonly packetCount: number
}

export interface PacketReport {
  /** By the kernel's count; 0 is what the live suite demands. */
  readonly packetCount: number
  /** Most packets first. */
  readonly destinations: readonly PacketDestination[]
}

export interface PacketCounter extends AsyncDisposable {
  report(): Promise<PacketReport>
}

/** A program that scans the outside would fill memory; beyond this many places it is one line more. */
const DESTINATIONS_MAX = 1_000
const OTHERS = "more places"
/** The capture lags the kernel's counter by a moment. */
const CATCH_UP_STEPS = 50
const CATCH_UP_STEP_MS = 20

/** Starts counting; resolves when not one packet can be missed any more. */
export async function openPacketCounter(): Promise<PacketCounter> {
  const places = new Map<string, PacketDestination>()
  let namedCount = 0
  const capture = await openCapture((head) => {
    namedCount += 1
    addPacket(places, head)
  })
  return {
    report: async () => {
      const packetCount = await readKernelCounter()
      for (let step = 0; namedCount < packetCount && step < CATCH_UP_STEPS; step += 1)
        await delay(CATCH_UP_STEP_MS)
      const destinations = [...places.values()].sort((a, b) => b.packetCount - a.packetCount)
      return { packetCount: Math.max(packetCount, namedCount), destinations }
    },
    [Symbol.asyncDispose]: () => endCapture(capture),
  }
}

function addPacket(places: Map<string, PacketDestination>, head: PacketHead): void {
  const isNew = !places.has(head.to) && places.size >= DESTINATIONS_MAX
  const key = isNew ? OTHERS : head.to
  const before = places.get(key) ?? { to: key, from: head.from, packetCount: 0 }
  places.set(key, { ...before, packetCount: before.packetCount + 1 })
}

/** The count of sent packets, 10th number of the device's line, from the kernel. */
async function readKernelCounter(): Promise<number> {
  const line = (await readFile("/proc/self/net/dev", "utf8"))
    .split("\n")
    .find((candidate) => candidate.trim().startsWith(`${OUTSIDE_DEVICE}:`))
  const count = Number(line?.split(":")[1]?.trim().split(/\s+/)[9])
  if (Number.isInteger(count)) return count
  throw new Error(`Cannot count packets: no device ${OUTSIDE_DEVICE}`)
}

async function openCapture(onPacket: (head: PacketHead) => void): Promise<ChildProcess> {
  const options = [
    "-i",
    OUTSIDE_DEVICE,
    "-n",
    "-s",
    "256",
    "--immediate-mode",
    "-U",
    "-Z",
    "root",
    "-w",
    "-",
  ]
  const child = spawn("tcpdump", options, { stdio: ["ignore", "pipe", "pipe"] })
  const reader = new PcapReader()
  child.stdout.on("data", (chunk: Buffer) => {
    for (const head of reader.push(chunk)) onPacket(head)
  })
  await listening(child)
  return child
}

/** tcpdump says "listening on …" once its socket is there. */
async function listening(child: ChildProcess): Promise<void> {
  let said = ""
  const ready = new Promise<void>((resolve) => {
    child.stderr!.on("data", (chunk: Buffer) => {
      if (said.length < 4096) said += chunk
      if (said.includes("listening on")) resolve()
    })
  })
  const gone = once(child, "exit").then(() => {
    throw new Error(`Cannot count packets: tcpdump ended, ${said.trim()}`)
  })
  gone.catch(() => {})
  await Promise.race([ready, gone])
}

async function endCapture(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill("SIGKILL")
  await once(child, "exit")
}
