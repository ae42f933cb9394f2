/**
 * The port of a tunnel at which programs of this machine connect.
 *
 * @module
 */
import type { Server, Socket } from "node:net"
import type { HostPort } from "../../base/host-port.ts"
import { listen } from "../../base/listen.ts"
import type { Meter } from "../../base/meter.ts"

/** Where a tunnel listens, and for how many programs. */
export interface LocalPortRules extends HostPort {
  /** At a time; more are refused. */
  readonly connectionsMax: number
}

/**
 * Listens. Each connection counts while it lasts; what cannot be taken counts as refused. Closing `server` stays
 * with the caller.
 *
 * @param server - Does not listen yet.
 * @param host.take - Given each connection, to keep.
 * @returns Where it listens, as people type it.
 * @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`.
 */
export async function openLocalPort(
  server: Server,
  { connectionsMax, host, port }: LocalPortRules,
  { meter, take }: { meter: Meter; take: (local: Socket) => void },
): Promise<string> {
  server.maxConnections = connectionsMax
  server.on("drop", () => meter.add("refused"))
  server.on("connection", (local) => {
    local.once("close", meter.enter())
    local.on("error", () => {}) // told by the relay; before that, its close says enough
    take(local)
  })
  const listens = await listen(server, { host, port })
  server.on("error", () => meter.add("refused"))
  return listens
}
