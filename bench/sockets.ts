/**
 * Two ends of one plain TCP connection over loopback.
 *
 * @module
 */
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import type { Ends } from "./carry.ts"

/** Opens it; the caller owns both ends. */
export async function openSockets(): Promise<Ends> {
  const server = createServer({ noDelay: true }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const from = connect({ host: "127.0.0.1", port, noDelay: true })
  const [to] = (await once(server, "connection")) as [Socket]
  server.close()
  return { from, to }
}
