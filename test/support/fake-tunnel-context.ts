/**
 * What a tunnel kind is given, on a network in memory.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "../../src/base/clock.ts"
import { AlliumError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { Scope } from "../../src/base/scope.ts"
import type { TunnelContext } from "../../src/router/tunnel.ts"
import type { Session } from "../../src/sam/session.ts"
import type { FakeNetwork } from "./fake-session.ts"

/** A context whose session, folder and signal end with it. */
export interface FakeTunnelContext extends TunnelContext, AsyncDisposable {
  /** Names the tunnel can resolve, besides addresses. */
  readonly names: Map<string, string>
  /** Every host that was to be dialled, in order. */
  readonly dialled: string[]
}

/** Opens one; its folder is real. */
export async function openFakeTunnelContext(network: FakeNetwork): Promise<FakeTunnelContext> {
  const scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-tunnel-"))
  scope.defer(() => rm(folder, { recursive: true }))
  const names = new Map<string, string>()
  const dialled: string[] = []
  let session: Promise<Session> | undefined
  const resolve: TunnelContext["resolve"] = async (host) => {
    const address = host.endsWith(".b32.i2p") || host.length > 500 ? host : names.get(host)
    if (address !== undefined) return address
    throw new AlliumError("NAME_NOT_FOUND", "Cannot find name: nobody here knows it")
  }
  return {
    signal: scope.signal,
    log: silentLog,
    clock: systemClock,
    folder,
    names,
    dialled,
    session() {
      session ??= openReady(network, scope)
      return session
    },
    resolve,
    async dial(own, host, call) {
      dialled.push(host)
      return own.connect(await resolve(host, call), call)
    },
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

async function openReady(network: FakeNetwork, scope: Scope): Promise<Session> {
  const session = scope.use(network.open())
  await session.ready({ signal: scope.signal })
  return session
}
