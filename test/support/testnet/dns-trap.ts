/**
 * Takes whatever asks for a name inside the namespace: port 53 of every address it has, such as 127.0.0.53. What
 * asks elsewhere wants to leave, and is a packet.
 *
 * @module
 */
import { createSocket, type RemoteInfo } from "node:dgram"
import { once } from "node:events"
import { createServer, type Socket } from "node:net"

/** Counts queries over UDP, and connections over TCP. */
export interface DnsTrap extends AsyncDisposable {
  readonly queryCount: number
}

const PORT = 53
/** A header's id; then "answer, refused", and no records. */
const ID_BYTES = 2
const REFUSED = Uint8Array.of(0x80, 5, 0, 0, 0, 0, 0, 0, 0, 0)

/** Listens, and answers that it will not tell: who asks goes on at once. */
export async function openDnsTrap(): Promise<DnsTrap> {
  let queryCount = 0
  const udp = createSocket({ type: "udp6" })
  const tcp = createServer((socket: Socket) => {
    queryCount++
    socket.destroy()
  })
  udp.on("message", (query: Buffer, { port, address }: RemoteInfo) => {
    queryCount++
    udp.send(Buffer.concat([query.subarray(0, ID_BYTES), REFUSED]), port, address, () => {})
  })
  udp.bind(PORT, "::")
  tcp.listen(PORT, "::")
  await Promise.all([once(udp, "listening"), once(tcp, "listening")])
  return {
    get queryCount() {
      return queryCount
    },
    async [Symbol.asyncDispose]() {
      udp.close()
      tcp.close()
    },
  }
}
