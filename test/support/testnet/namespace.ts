/**
 * A network namespace in which the routers reach each other and nothing else, and in which whatever
 * tries to leave is seen.
 *
 * The routers' addresses lie on the loopback device. Every other address, IPv4 and IPv6, goes by the
 * default route into one end of a veth pair whose other end nobody reads: `packets.ts` counts there.
 * Name look-ups go to a resolver that is not there, so they are counted too, whatever the machine's
 * own resolver is.
 *
 * @module
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { realpath, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"

/** The device that stands for the whole outside world. */
export const OUTSIDE_DEVICE = "outside"
/** Source addresses of what tries to leave, from the ranges for documentation (RFC 5737, RFC 3849). */
const OWN_ADDRESSES = { ipv4: "203.0.113.1/32", ipv6: "2001:db8::1/128" }
const RESOLVER = "nameserver 192.0.2.53\noptions timeout:1 attempts:1\n"
/** Without systemd-resolved and the like, which answer over a Unix socket, past every namespace. */
const NAME_SERVICES = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"

const execute = promisify(execFile)

/** i2pd refuses reserved addresses on what arrives, so loopback would not do. */
export function routerAddress(number: number): string {
  return `5.${number}.0.1`
}

/** Sets up the namespace this process is in. */
export async function closeTheWayOut(options: {
  readonly routerCount: number
  readonly folder: string
}): Promise<void> {
  const numbers = Array.from({ length: options.routerCount }, (_, index) => index + 1)
  const routers = numbers.map((number) => `address add ${routerAddress(number)}/32 dev lo`)
  const batch = join(options.folder, "ip.batch")
  await writeFile(batch, ["link set lo up", ...routers, ...outsideDevice(), ""].join("\n"))
  await execute("ip", ["-batch", batch])
  await cover("/etc/resolv.conf", join(options.folder, "resolv.conf"), RESOLVER)
  await cover("/etc/nsswitch.conf", join(options.folder, "nsswitch.conf"), NAME_SERVICES)
}

/** No ARP, no neighbour discovery, no multicast reports: the kernel itself sends nothing. */
function outsideDevice(): string[] {
  const [device, peer] = [OUTSIDE_DEVICE, "nobody"]
  const ipv6 = [
    `address add ${OWN_ADDRESSES.ipv6} dev ${device} nodad`,
    `route add ::/0 dev ${device}`,
  ]
  return [
    `link add ${device} type veth peer name ${peer}`,
    ...[device, peer].map((name) => `link set ${name} arp off multicast off addrgenmode none up`),
    `address add ${OWN_ADDRESSES.ipv4} dev ${device}`,
    `route add 0.0.0.0/0 dev ${device}`,
    ...(existsSync("/proc/net/if_inet6") ? ipv6 : []),
  ]
}

/** Lays a file of ours over the machine's, in this mount namespace only. */
async function cover(target: string, file: string, text: string): Promise<void> {
  await writeFile(file, text)
  const real = await realpath(target).catch(() => undefined)
  if (real !== undefined) await execute("mount", ["--bind", file, real])
}
