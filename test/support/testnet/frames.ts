/**
 * Ethernet frames as `packets.ts` receives them: where they wanted to go.
 *
 * Pure: bytes in, packet heads out. What it cannot read it still names, so that every packet counts.
 *
 * @module
 */
import { SocketAddress } from "node:net"

/** Who wanted to send what to whom. */
export interface PacketHead {
  /** `udp 198.51.100.7:53`, `tcp [2001:db8::7]:443`, `protocol 1 198.51.100.7`, `frame 0806`. */
  readonly to: string
  /** `203.0.113.1:40000`, or empty where there is no such thing. */
  readonly from: string
}

/** Of each frame at most this much is captured: every header up to the ports, with room for options. */
export const FRAME_BYTES_MAX = 256
/** In front of each frame: its length, big-endian. */
const LENGTH_BYTES = 2
const ETHERNET_BYTES = 14
const PROTOCOLS: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp" }
/** Hop-by-hop, routing, destination options: a next-header byte, then a length in 8 bytes less one. */
const IPV6_EXTENSIONS = [0, 43, 60]

/** Takes apart what the capture writes: length, frame, length, frame. Keeps at most one unfinished frame. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /**
   * @returns The packets that are whole now, in order.
   * @throws {RangeError} When a length is beyond {@linkcode FRAME_BYTES_MAX}.
   */
  push(chunk: Uint8Array): PacketHead[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const heads: PacketHead[] = []
    for (let frame = this.#next(); frame !== undefined; frame = this.#next())
      heads.push(readFrame(frame))
    return heads
  }

  #next(): Buffer | undefined {
    if (this.#rest.length < LENGTH_BYTES) return undefined
    const byteCount = this.#rest.readUInt16BE(0)
    if (byteCount > FRAME_BYTES_MAX)
      throw new RangeError(
        `Cannot read capture: frame of ${byteCount} bytes, expected ${FRAME_BYTES_MAX} at most`,
      )
    const end = LENGTH_BYTES + byteCount
    if (this.#rest.length < end) return undefined
    const frame = this.#rest.subarray(LENGTH_BYTES, end)
    this.#rest = this.#rest.subarray(end)
    return frame
  }
}

/** Names the two ends of one Ethernet frame, cut short or not. */
export function readFrame(frame: Buffer): PacketHead {
  if (frame.length < ETHERNET_BYTES) return { to: "frame too short", from: "" }
  const type = frame.readUInt16BE(12)
  const packet = frame.subarray(ETHERNET_BYTES)
  if (type === 0x0800 && packet.length >= 20) return readIpv4(packet)
  if (type === 0x86dd && packet.length >= 40) return readIpv6(packet)
  return { to: `frame ${type.toString(16).padStart(4, "0")}`, from: "" }
}

function readIpv4(packet: Buffer): PacketHead {
  const address = (offset: number) => packet.subarray(offset, offset + 4).join(".")
  const isFirstFragment = (packet.readUInt16BE(6) & 0x1fff) === 0
  const payload = packet.subarray(isFirstFragment ? (packet[0]! & 0x0f) * 4 : packet.length)
  return head(packet[9]!, payload, address(12), address(16))
}

function readIpv6(packet: Buffer): PacketHead {
  let [protocol, offset] = [packet[6]!, 40]
  while (IPV6_EXTENSIONS.includes(protocol) && offset + 2 <= packet.length)
    [protocol, offset] = [packet[offset]!, offset + (packet[offset + 1]! + 1) * 8]
  return head(protocol, packet.subarray(offset), ipv6Text(packet, 8), ipv6Text(packet, 24))
}

function ipv6Text(packet: Buffer, offset: number): string {
  const groups = packet
    .subarray(offset, offset + 16)
    .toString("hex")
    .match(/.{4}/g)!
  return `[${new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address}]`
}

function head(protocol: number, payload: Buffer, source: string, target: string): PacketHead {
  const name = PROTOCOLS[protocol]
  if (name === undefined || payload.length < 4)
    return { to: `${name ?? `protocol ${protocol}`} ${target}`, from: source }
  const [from, to] = [payload.readUInt16BE(0), payload.readUInt16BE(2)]
  return { to: `${name} ${target}:${to}`, from: `${source}:${from}` }
}
