/**
 * SAM by hand on `node:net`: what somebody would write who needs one stream and has no client. No checks, no
 * errors, no signals: the least that works.
 *
 * @module
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"

/** HELLO, then STREAM CONNECT. @param destination - In I2P base64. */
export async function connectBare(
  port: number,
  id: string,
  destination: string,
  call: { signal: AbortSignal },
): Promise<Socket> {
  const line = `STREAM CONNECT ID=${id} DESTINATION=${destination} SILENT=false`
  return greeted(port, line, call)
}

/** HELLO, then STREAM ACCEPT, then the line that says who came. */
export async function acceptBare(
  port: number,
  id: string,
  call: { signal: AbortSignal },
): Promise<Socket> {
  const socket = await greeted(port, `STREAM ACCEPT ID=${id} SILENT=false`, call)
  await readLine(socket, call)
  return socket
}

async function greeted(port: number, line: string, call: { signal: AbortSignal }): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true })
  socket.on("error", () => {})
  call.signal.addEventListener("abort", () => socket.destroy(), { once: true })
  await once(socket, "connect", call)
  for (const command of ["HELLO VERSION MIN=3.1 MAX=3.1", line]) {
    socket.write(`${command}\n`)
    const answer = await readLine(socket, call)
    if (!answer.includes(" RESULT=OK")) throw new Error(`Cannot open stream: bridge said ${answer}`)
  }
  return socket
}

async function readLine(socket: Socket, call: { signal: AbortSignal }): Promise<string> {
  let line = Buffer.alloc(0)
  for (;;) {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) await once(socket, "readable", call)
    else {
      line = Buffer.concat([line, chunk])
      const end = line.indexOf("\n")
      if (end < 0) continue
      if (end + 1 < line.length) socket.unshift(line.subarray(end + 1))
      return line.toString("latin1", 0, end)
    }
  }
}
