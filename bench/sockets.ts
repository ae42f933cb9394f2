/**
 * Plain TCP over loopback: the least that moves bytes on this machine.
 *
 * @module
 */
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import type { Ends } from "./carry.ts"

/** Two ends of one connection; the caller owns both. */
export async function openSockets(): Promise<Ends> {
  const server = createServer({ noDelay: true }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const from = dial(server)
  const [to] = (await once(server, "connection")) as [Socket]
  server.close()
  return { from, to }
}

/** Two ends with a relay between them: two connections joined by `pipe()`, as simple as a bridge can be. */
export async function openRelayed(): Promise<Ends> {
  const far = createServer({ noDelay: true }).listen(0, "127.0.0.1")
  const relay = createServer({ noDelay: true }, (near) => {
    const onward = dial(far)
    for (const socket of [near, onward]) socket.on("error", () => {}) // an end was destroyed
    near.pipe(onward).pipe(near)
  }).listen(0, "127.0.0.1")
  await Promise.all([once(far, "listening"), once(relay, "listening")])
  const from = dial(relay)
  const [to] = (await once(far, "connection")) as [Socket]
  for (const socket of [from, to]) socket.on("error", () => {})
  far.close()
  relay.close()
  return { from, to }
}

function dial(server: ReturnType<typeof createServer>): Socket {
  const { port } = server.address() as AddressInfo
  return connect({ host: "127.0.0.1", port, noDelay: true })
}
