/**
 * The far end of a stream in a process of its own: takes so many bytes from each caller, then says one.
 *
 * `far-end.ts tcp BYTES` listens on loopback and prints its port; `far-end.ts sam BYTES PORT` opens a session at
 * a bridge and prints its destination in I2P base64.
 *
 * @module
 */
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import type { Duplex } from "node:stream"
import { openSupervisedSession } from "../src/sam/index.ts"
import { readBytes } from "./carry.ts"

const [kind, bytes, port] = process.argv.slice(2)
const call = { signal: new AbortController().signal }

async function take(from: Duplex): Promise<void> {
  from.on("error", () => {})
  await readBytes(from, Number(bytes), call)
  from.write("!")
}

async function listen(): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => void take(socket).catch(console.error))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  console.log((server.address() as AddressInfo).port)
}

async function accept(): Promise<void> {
  const bridge = { host: "127.0.0.1", port: Number(port) }
  const session = openSupervisedSession({ bridge, keys: "transient" })
  await session.ready(call)
  console.log(session.destination.base64)
  for await (const stream of session.incoming) void take(stream).catch(console.error)
}

await (kind === "tcp" ? listen() : accept())
