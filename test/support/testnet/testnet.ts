/**
 * The private network as live tests see it. Works only inside `npm run testnet -- COMMAND`.
 *
 * @example
 * ```ts
 * const [portA, portB] = testnetPorts()
 * await killRouter(1)
 * await startRouter(1)
 * expect((await packetReport()).packetCount).toBe(0)
 * ```
 * @module
 */
import { connect } from "node:net"
import { dirname, join } from "node:path"
import { text } from "node:stream/consumers"
import type { ControlAnswer, ControlRequest, TestnetReport } from "./control.ts"

/** SAM ports on 127.0.0.1, router 1 first. */
export function testnetPorts(): number[] {
  return variable("ALLIUM_TESTNET_SAM_PORTS").split(",").map(Number)
}

/** Starts a router that was killed, with the keys it had; returns when its SAM port answers. */
export async function startRouter(router: number): Promise<void> {
  await ask({ verb: "start", router })
}

/** Ends a router as a power cut would; returns when it is gone. */
export async function killRouter(router: number): Promise<void> {
  await ask({ verb: "kill", router })
}

/** {@linkcode killRouter}, then {@linkcode startRouter}. */
export async function restartRouter(router: number): Promise<void> {
  await ask({ verb: "restart", router })
}

/** Freezes a router: its sockets stay open, nothing answers. */
export async function pauseRouter(router: number): Promise<void> {
  await ask({ verb: "pause", router })
}

/** Ends a {@linkcode pauseRouter}. */
export async function resumeRouter(router: number): Promise<void> {
  await ask({ verb: "resume", router })
}

/**
 * Gives a router tunnels of its own instead of those it had: the text of a `tunnels.conf`. They open some time later; key
 * files are in {@linkcode routerFolder}.
 */
export async function setRouterTunnels(router: number, text: string): Promise<void> {
  await ask({ verb: "tunnels", router, text })
}

/** Where a router keeps its files. */
export function routerFolder(router: number): string {
  return join(dirname(variable("ALLIUM_TESTNET_CONTROL")), `router-${router}`)
}

/** The packets that would have left the network so far, and the routers that crashed. */
export async function packetReport(): Promise<TestnetReport> {
  return await ask({ verb: "report" })
}

async function ask(request: ControlRequest): Promise<TestnetReport> {
  const socket = connect(variable("ALLIUM_TESTNET_CONTROL"))
  socket.write(`${JSON.stringify(request)}\n`)
  const answer = JSON.parse(await text(socket)) as ControlAnswer
  if ("error" in answer) throw new Error(answer.error)
  return answer.report
}

function variable(name: string): string {
  const value = process.env[name]
  if (value !== undefined) return value
  throw new Error(`Cannot use the testnet: ${name} is unset, expected npm run testnet -- COMMAND`)
}
