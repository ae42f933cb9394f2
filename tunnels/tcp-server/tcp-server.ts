/**
 * Takes the streams of a destination and leads each to a program of this machine.
 *
 * @module
 */
import { connect, type Socket } from "node:net"
import {
  AlliumError,
  Counters,
  type HostPort,
  type OpenTunnel,
  type SamStream,
  Scope,
  SpoolPlace,
  spoolRelay,
  type TunnelContext,
} from "allium/tunnel"
import { Doorkeeper } from "./doorkeeper.ts"

/** A program of this machine answers in less, or not at all. */
const BACKEND_CONNECT_MS = 10_000

/** What {@linkcode openTcpServer} needs. */
export interface TcpServerSettings {
  readonly backend: HostPort
  /** `.b32.i2p` names; empty for everybody. */
  readonly allow: ReadonlySet<string>
  readonly connectionsMax: number
  readonly connectionsPerPeerMax: number
  readonly lingerMs: number
  readonly spoolBytesMax: number
}

/** Opens the session with its own lasting keys; streams are taken as soon as it is up. */
export async function openTcpServer(
  context: TunnelContext,
  settings: TcpServerSettings,
): Promise<OpenTunnel> {
  const scope = new Scope()
  const counters = new Counters(["connections", "refused", "bytesIn", "bytesOut"])
  const place = new SpoolPlace(context.folder, settings.spoolBytesMax)
  const door = new Doorkeeper(settings)
  const session = await context.session({ keys: "persistent" })

  const onBytes = (bytesIn: number, bytesOut: number) => {
    counters.add("bytesIn", bytesIn)
    counters.add("bytesOut", bytesOut)
  }

  const serve = async (stream: SamStream) => {
    const { signal } = scope
    try {
      const local = await connectBackend(settings.backend, signal)
      const { lingerMs } = settings
      await spoolRelay(stream, local, { place, lingerMs, signal, onBytes })
    } catch (error) {
      stream.destroy()
      if (!signal.aborted) context.log.info("connection.failed", { code: counters.fail(error) })
    }
  }

  const takeStreams = async () => {
    for await (const stream of session.incoming) {
      stream.on("error", () => {}) // told by the relay
      if (scope.signal.aborted || !door.enter(stream.peer.b32)) {
        counters.add("refused")
        stream.destroy()
        continue
      }
      counters.add("connections")
      void serve(stream).finally(() => door.leave(stream.peer.b32))
    }
  }
  void takeStreams().catch((error) => {
    context.log.error("accept.failed", { code: counters.fail(error) })
  })
  return {
    address: session.destination.b32,
    counters: () => counters.read(),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

/** @throws {AlliumError} `BACKEND_DOWN`. */
function connectBackend(backend: HostPort, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const local = connect({ ...backend, allowHalfOpen: true, noDelay: true })
    const refuse = () => {
      local.destroy()
      const message = "Cannot lead on: the program does not answer at its port"
      reject(new AlliumError("BACKEND_DOWN", message))
    }
    signal.addEventListener("abort", refuse, { once: true })
    local.setTimeout(BACKEND_CONNECT_MS, refuse)
    local.once("error", refuse)
    local.once("connect", () => {
      signal.removeEventListener("abort", refuse)
      local.off("error", refuse)
      local.setTimeout(0)
      local.off("timeout", refuse)
      resolve(local.setKeepAlive(true))
    })
  })
}
