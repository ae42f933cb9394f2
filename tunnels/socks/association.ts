/**
 * UDP ASSOCIATE: a UDP port of one program, for as long as its connection stands.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1928#section-7
 * @module
 */
import type { RemoteInfo, Socket as UdpSocket } from "node:dgram"
import type { Socket } from "node:net"
import {
  AlliumError,
  bindUdp,
  type HostPort,
  type Meter,
  UNSENT_BYTES_MAX,
  type Way,
} from "allium/tunnel"
import type { SocksAddress, SocksRequest } from "./request.ts"
import { formatUdpAnswer, parseUdpRequest } from "./udp-request.ts"
import type { Hear, Place } from "./way-datagrams.ts"
import type { WayKit } from "./ways.ts"

/** Hosts one program may write to; the one written to longest ago is forgotten, with its way where it has its own. */
const HOSTS_MAX = 32

/** What an association needs of the proxy. */
export interface AssociationHost {
  readonly meter: Meter
  /** @throws {AlliumError} `PROXY_REFUSED`, `BAD_NAME`, `BAD_INPUT`. */
  readonly hostOf: (address: SocksAddress) => string
  /** The way to a host, to be given back. @throws {AlliumError} `SESSION_LIMIT`. */
  readonly wayTo: (host: string) => Way<WayKit>
}

/** A program's connection, and what it asked for. */
export interface AssociationCall {
  readonly local: Socket
  readonly request: Pick<SocksRequest, "address" | "port">
}

/** Where the program sends its datagrams; closing ends it. */
export interface Association extends Disposable {
  readonly at: HostPort
}

/** Opens a port beside the one that `local` came to. @throws {AlliumError} `LISTEN_FAILED`, `STREAM_LOST`. */
export async function openAssociation(
  call: AssociationCall,
  host: AssociationHost,
): Promise<Association> {
  const [own, program] = [narrow(call.local.localAddress), narrow(call.local.remoteAddress)]
  if (own === undefined || program === undefined) throw gone()
  const socket = await bindUdp({ host: own, port: 0 })
  const association = new UdpAssociation({ socket, program, port: saidPort(call, program), host })
  return {
    at: { host: own, port: socket.address().port },
    [Symbol.dispose]: () => association.close(),
  }
}

interface Parts {
  readonly socket: UdpSocket
  /** Its IP address: nobody else is heard. */
  readonly program: string
  /** Its port, when it said so; the first one it sends from otherwise. */
  readonly port: number | undefined
  readonly host: AssociationHost
}

interface Route {
  readonly place: Place
  readonly release: () => void
  /** As the program says this host. */
  said: Uint8Array
}

class UdpAssociation {
  readonly #parts: Parts
  readonly #routes = new Map<string, Route>()
  #port: number | undefined
  #isOver = false

  constructor(parts: Parts) {
    this.#parts = parts
    this.#port = parts.port
    parts.socket.on("error", () => parts.host.meter.add("lost"))
    parts.socket.on("message", (bytes, from) => this.#send(bytes, from))
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const host of [...this.#routes.keys()]) this.#forget(host)
    this.#parts.socket.close()
  }

  /** What leads out of I2P, is damaged or is not the program's own goes nowhere. */
  #send(bytes: Uint8Array, from: RemoteInfo): void {
    const { meter, hostOf } = this.#parts.host
    try {
      const request = this.#isProgram(from) ? parseUdpRequest(bytes) : undefined
      if (request === undefined) throw notOurs()
      const host = hostOf(request.address)
      const route = this.#routeTo(host)
      route.said = Uint8Array.from(request.said)
      route.place.send(host, request.payload)
    } catch (error) {
      meter.fail(error)
      meter.add("refused")
    }
  }

  #isProgram({ address, port }: RemoteInfo): boolean {
    if (narrow(address) !== this.#parts.program) return false
    this.#port ??= port
    return this.#port === port
  }

  /** The one used last stands last. */
  #routeTo(host: string): Route {
    const route = this.#routes.get(host) ?? this.#newRoute(host)
    this.#routes.delete(host)
    const [oldest] = this.#routes.keys()
    if (this.#routes.size >= HOSTS_MAX && oldest !== undefined) this.#forget(oldest)
    this.#routes.set(host, route)
    return route
  }

  #newRoute(host: string): Route {
    const { datagrams, release } = this.#parts.host.wayTo(host)
    return { place: datagrams.join(this.#answer), release, said: new Uint8Array() }
  }

  #forget(host: string): void {
    const route = this.#routes.get(host)
    this.#routes.delete(host)
    route?.place.leave()
    route?.release()
  }

  readonly #answer: Hear = (hosts, payload) => {
    const { socket, program, host: proxy } = this.#parts
    const route = hosts.map((host) => this.#routes.get(host)).find((one) => one !== undefined)
    const { meter } = proxy
    if (route === undefined || this.#port === undefined) meter.add("refused")
    else if (socket.getSendQueueSize() > UNSENT_BYTES_MAX) meter.add("lost")
    else {
      meter.add("datagramsIn")
      meter.moved(payload.length, 0)
      socket.send(formatUdpAnswer(route.said, payload), this.#port, program, (error) => {
        if (error) meter.add("lost")
      })
    }
  }
}

/** An IPv4 address as such, also where a socket for both kinds says it; no zone. */
function narrow(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "")
}

/** RFC 1928 lets a program say where it will send from; many say nothing, or the address they want to reach. */
function saidPort({ request }: AssociationCall, program: string): number | undefined {
  const { address, port } = request
  const isOwn = address.kind === "ipv4" && (address.ip === "0.0.0.0" || address.ip === program)
  return isOwn && port > 0 ? port : undefined
}

function notOurs(): AlliumError {
  const message = "Cannot send datagram: it is damaged, a fragment, or of another program"
  return new AlliumError("BAD_REQUEST", message)
}

function gone(): AlliumError {
  return new AlliumError("STREAM_LOST", "Cannot open UDP port: the program closed the connection")
}
