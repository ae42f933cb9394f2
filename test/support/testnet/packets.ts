/**
 * Counts every packet that would have left the namespace, and names where it wanted to go.
 *
 * The kernel's own counter on the outside device is the number; a packet socket gives the names.
 * Node has no packet sockets, and tcpdump refuses to run in an ordinary user's namespace, so a few
 * lines of Perl, which every Debian has, read it.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { setTimeout as delay } from "node:timers/promises"
import { FRAME_BYTES_MAX, FrameReader, type PacketHead } from "./frames.ts"
import { OUTSIDE_DEVICE } from "./namespace.ts"
import { findProgram } from "./options.ts"

/** One place packets wanted to go to. */
interface PacketDestination {
  /** As in {@linkcode PacketHead}. */
  readonly to: string
  /** Where the first of them came from; `5.N.0.1` is router N. */
  readonly from: string
  readonly packetCount: number
}

export interface PacketReport {
  /** By the kernel's count; 0 is what the live suite demands. */
  readonly packetCount: number
  /** Of those, the ones to port 53, UDP or TCP. */
  readonly dnsPacketCount: number
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

/** Arguments: device, most bytes of a frame. Numbers: AF_PACKET, ETH_P_ALL, SIOCGIFINDEX. */
const CAPTURE = `
  use strict;
  use Socket;
  my ($device, $size) = @ARGV;
  my $all = unpack("S", pack("n", 3));
  socket(my $tap, 17, SOCK_RAW, $all) or die "no packet socket: $!";
  my $request = pack("a16 x24", $device);
  ioctl($tap, 0x8933, $request) or die "no device $device: $!";
  my $index = unpack("x16 i", $request);
  bind($tap, pack("S S i x12", 17, $all, $index)) or die "no bind: $!";
  syswrite(STDERR, "listening\\n");
  while (defined recv($tap, my $frame, $size, 0)) { syswrite(STDOUT, pack("n/a*", $frame)); }
  die "capture ended: $!";`

/** Starts counting; resolves when not one packet can be missed any more. */
export async function openPacketCounter(): Promise<PacketCounter> {
  const places = new Map<string, PacketDestination>()
  let [namedCount, dnsPacketCount] = [0, 0]
  const capture = await openCapture((head) => {
    namedCount += 1
    if (isDns(head)) dnsPacketCount += 1
    addPacket(places, head)
  })
  return {
    report: async () => {
      const packetCount = await readKernelCounter()
      for (let step = 0; namedCount < packetCount && step < CATCH_UP_STEPS; step += 1)
        await delay(CATCH_UP_STEP_MS)
      const destinations = [...places.values()].sort((a, b) => b.packetCount - a.packetCount)
      return { packetCount: Math.max(packetCount, namedCount), dnsPacketCount, destinations }
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

/** Asks for a name, as the port says. */
function isDns({ to }: PacketHead): boolean {
  return /^(?:udp|tcp) .*:53$/.test(to)
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
  const words = ["-e", CAPTURE, OUTSIDE_DEVICE, String(FRAME_BYTES_MAX)]
  const child = spawn(findProgram("perl")!, words, { stdio: ["ignore", "pipe", "pipe"] })
  const reader = new FrameReader()
  child.stdout.on("data", (chunk: Buffer) => {
    for (const head of reader.push(chunk)) onPacket(head)
  })
  await listening(child)
  return child
}

/** The capture says "listening" once its socket is there; before that it may say why not, and end. */
async function listening(child: ChildProcess): Promise<void> {
  const [said] = await Promise.race([once(child.stderr!, "data"), once(child, "exit")])
  if (String(said).startsWith("listening")) return
  throw new Error(`Cannot count packets: ${String(said).trim()}`)
}

async function endCapture(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill("SIGKILL")
  await once(child, "exit")
}
