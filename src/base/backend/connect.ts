/**
 * Connections to a program of this machine, with or without TLS, and with a word about who asks.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { connect, type Socket } from "node:net"
import { platform } from "node:os"
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls"
import { AlliumError } from "../errors.ts"
import type { BackendAddress } from "./address.ts"
import { type ClientAddress, loopbackFor, proxyHeader } from "./client-address.ts"

/** A program of this machine answers in less, or not at all. */
const BACKEND_CONNECT_MS = 10_000

/** How a program proves itself. One of `authorities` and `pin` at least, or the system's authorities count. */
export interface BackendTls {
  /** Name its certificate must bear. */
  readonly name: string
  /** Certificates in PEM that it may be signed by, instead of the system's. */
  readonly authorities?: string
  /** SHA-256 of its certificate, 32 bytes: nothing else counts then, neither name nor date. */
  readonly pin?: Uint8Array
}

/** A program and how to reach it. */
export interface Backend {
  readonly address: BackendAddress
  readonly tls?: BackendTls
  readonly clientAddress: ClientAddress
}

/** @throws {AlliumError} `BAD_INPUT` when this system cannot do what the backend asks for. */
export function requirePossible({ address, clientAddress }: Backend, system = platform()): void {
  if (clientAddress !== "loopback") return
  if (system !== "linux")
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot give clients loopback addresses: only Linux has more than one, expected proxy-v1, proxy-v2 or none",
    )
  if ("path" in address || !address.host.startsWith("127."))
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot give clients loopback addresses: the program is not at 127.0.0.0/8",
    )
}

/**
 * Connects for the client `b32`. The socket may be half-closed, and belongs to the caller.
 *
 * @throws {AlliumError} `BACKEND_DOWN`: nobody there, too slow, or not who it should be; the signal's reason.
 */
export async function connectBackend(
  backend: Backend,
  b32: string,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted()
  const { address, clientAddress, tls } = backend
  const from = clientAddress === "loopback" ? { localAddress: loopbackFor(b32) } : {}
  const plain = connect({ ...address, ...from, allowHalfOpen: true, noDelay: true })
  const connected = await whenReady(plain, "connect", signal)
  connected.setKeepAlive(true)
  if (clientAddress === "proxy-v1" || clientAddress === "proxy-v2")
    connected.write(proxyHeader(clientAddress, b32, "path" in address ? 0 : address.port))
  return tls === undefined ? connected : secure(connected, tls, signal)
}

async function secure(plain: Socket, tls: BackendTls, signal: AbortSignal): Promise<Socket> {
  const secured = connectTls({ socket: plain, ...trustOf(tls) })
  const ready = await whenReady(secured, "secureConnect", signal)
  if (tls.pin === undefined || hasPin(secured, tls.pin)) return ready
  ready.destroy()
  throw backendDown("its certificate is not the pinned one")
}

function trustOf({ name, authorities, pin }: BackendTls): ConnectionOptions {
  if (pin !== undefined) return { servername: name, rejectUnauthorized: false }
  return { servername: name, ...(authorities !== undefined && { ca: authorities }) }
}

function hasPin(socket: TLSSocket, pin: Uint8Array): boolean {
  const { raw } = socket.getPeerCertificate()
  return raw !== undefined && timingSafeEqual(createHash("sha256").update(raw).digest(), pin)
}

function whenReady<S extends Socket>(socket: S, event: string, signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const refuse = (found: string) => {
      stop()
      socket.on("error", () => {}) // whatever comes now, nobody waits for it
      socket.destroy()
      reject(signal.aborted ? signal.reason : backendDown(found))
    }
    const failed = () =>
      refuse(event === "connect" ? "the program does not answer" : "it does not prove who it is")
    const abort = () => refuse("the tunnel ends")
    const timer = setTimeout(failed, BACKEND_CONNECT_MS)
    const stop = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", abort)
      socket.off("error", failed)
    }
    signal.addEventListener("abort", abort, { once: true })
    socket.once("error", failed)
    socket.once(event, () => {
      stop()
      resolve(socket)
    })
  })
}

function backendDown(found: string): AlliumError {
  return new AlliumError("BACKEND_DOWN", `Cannot lead on: ${found}`)
}
