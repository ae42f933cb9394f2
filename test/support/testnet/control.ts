/**
 * The testnet's control socket: one JSON request, one JSON answer, per connection.
 *
 * @module
 */
import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import type { PacketReport } from "./packets.ts"
import type { Routers } from "./routers.ts"

const VERBS = ["start", "kill", "restart", "pause", "resume", "tunnels", "report"] as const

export interface ControlRequest {
  readonly verb: (typeof VERBS)[number]
  /** 1, 2, …; meaningless for `report`. */
  readonly router?: number
  /** For `tunnels`: what the router's `tunnels.conf` is to say. */
  readonly text?: string
}

/** What the testnet knows about itself. */
export interface TestnetReport extends Omit<PacketReport, "dnsPacketCount"> {
  /** Names that were asked for: packets to port 53 that would have left, and queries on this machine. */
  readonly dnsQueryCount: number
  /** Routers that ended without being told to. */
  readonly crashes: readonly string[]
}

export type ControlAnswer = { readonly report: TestnetReport } | { readonly error: string }

interface Served {
  readonly routers: Routers
  readonly report: () => Promise<TestnetReport>
}

/** Requests are a few words, or a `tunnels.conf`; a longer line is nobody of ours. */
const REQUEST_BYTES_MAX = 65_536

/** Listens on a Unix socket in a folder that only its owner may enter. */
export async function openControl(path: string, served: Served): Promise<AsyncDisposable> {
  const server = createServer((socket) => void serve(socket, served))
  server.listen(path)
  await once(server, "listening")
  return {
    [Symbol.asyncDispose]: async () => {
      server.close()
    },
  }
}

async function serve(socket: Socket, served: Served): Promise<void> {
  socket.on("error", () => {})
  const answer = await answerTo(socket, served).catch((error: Error) => ({ error: error.message }))
  socket.end(`${JSON.stringify(answer)}\n`)
}

async function answerTo(socket: Socket, { routers, report }: Served): Promise<ControlAnswer> {
  const request = JSON.parse(await readLine(socket)) as ControlRequest
  await carryOut(request, routers)
  return { report: await report() }
}

async function carryOut(request: ControlRequest, routers: Routers): Promise<void> {
  const { verb, router = 0, text = "" } = request
  if (!VERBS.includes(verb)) throw new RangeError(`Cannot do ${verb}: expected ${VERBS.join(", ")}`)
  if (verb === "kill" || verb === "restart") await routers.get(router).kill()
  if (verb === "start" || verb === "restart") await routers.start(router)
  if (verb === "pause") routers.get(router).pause()
  if (verb === "resume") routers.get(router).resume()
  if (verb === "tunnels") await routers.get(router).setTunnels(text)
}

async function readLine(socket: Socket): Promise<string> {
  let line = ""
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    line += String(chunk)
    if (line.includes("\n")) return line
    if (line.length > REQUEST_BYTES_MAX) break
  }
  throw new RangeError("Cannot read request: expected one line of JSON")
}
