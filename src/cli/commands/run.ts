/**
 * `allium run`: a router with its API, until Ctrl-C.
 *
 * @module
 */
import { once } from "node:events"
import { openApi } from "../../api/api.ts"
import { EMBEDDED_BANNER } from "../../api/protocol.ts"
import { openToken } from "../../api/token.ts"
import { systemClock } from "../../base/clock.ts"
import { openLog } from "../../base/log.ts"
import { openLogFile } from "../../base/log-file.ts"
import { systemRandom } from "../../base/random.ts"
import { Scope } from "../../base/scope.ts"
import { openHome } from "../../router/home.ts"
import type { Plugin } from "../../router/plugin.ts"
import { createRouter, type Router } from "../../router/router.ts"
import type { TunnelKind } from "../../router/tunnel.ts"
import type { LocalCall } from "../local.ts"
import type { Paths } from "../paths.ts"
import { networkOf, type RunInput } from "./network-options.ts"

/** A router that does not end within this time after Ctrl-C is left to its fate. */
const CLOSE_PATIENCE_MS = 10_000

/** What the composition root knows. */
export interface Parts {
  readonly plugins: readonly Plugin[]
  readonly tunnels: readonly TunnelKind[]
}

/** Runs until the call's signal aborts. @returns Exit code. */
export async function run(input: RunInput, call: LocalCall, parts: Parts): Promise<number> {
  const scope = new Scope()
  const served = await serve(input, call.paths, parts, scope).catch(async (error) => {
    await scope.close()
    throw error
  })
  await announce(served, call)
  if (!call.signal.aborted) await once(call.signal, "abort")
  if (!call.quiet && !call.json) call.terminal.note("Closing …")
  await closeWithin(scope, CLOSE_PATIENCE_MS)
  return 0
}

/** A router with its doors open. */
export interface Served {
  readonly router: Router
  readonly socketPath: string
  readonly apiPort: number | undefined
}

/** Opens router and API; both end with `scope`. */
export async function serve(
  input: RunInput,
  paths: Paths,
  parts: Parts,
  scope: Scope,
): Promise<Served> {
  const home = await openHome(paths.home)
  const log = openLog({
    level: input.logLevel,
    write: openLogFile(home.log),
    now: systemClock.now,
  })
  const router = scope.use(
    await createRouter({
      ...parts,
      home: paths.home,
      network: await networkOf(input),
      passphrase: input.passphrase,
      sessionsMax: input.sessions,
      log,
    }),
  )
  const api = scope.use(
    await openApi({
      offers: router.offers,
      events: router.events,
      socketPath: paths.socket,
      port: input.apiPort,
      token: await openToken(paths.token, systemRandom),
      log: log.child("api"),
      clock: systemClock,
      banner: () => (router.network.anonymous ? undefined : EMBEDDED_BANNER),
    }),
  )
  return { router, socketPath: api.socketPath, apiPort: api.port }
}

async function announce({ router, socketPath, apiPort }: Served, call: LocalCall): Promise<void> {
  const { terminal, json, quiet } = call
  const { network, version, home } = router
  if (!network.anonymous) terminal.note(terminal.paintError("yellow", EMBEDDED_BANNER))
  if (json)
    return terminal.print(
      JSON.stringify({
        ready: true,
        version,
        network,
        home: home.folder,
        socketPath,
        apiPort,
      }),
    )
  if (quiet) return
  await terminal.print(`Allium ${version} runs. ${networkSentence(router)}`)
  await terminal.print(`Home: ${home.folder}`)
  if (apiPort !== undefined) await terminal.print(`API: http://127.0.0.1:${apiPort}/v1`)
  const [first] = router.identities.list()
  const next =
    first === undefined
      ? "Create an identity in another terminal: allium identity create NAME"
      : "See how it stands in another terminal: allium status"
  await terminal.print(`${next}\nCtrl-C ends it.`)
}

function networkSentence({ network }: Router): string {
  if (network.kind === "embedded") return `Embedded network at ${network.bridgeName}.`
  if (network.kind === "i2pd") return "I2P through an i2pd of its own."
  if (network.answers) return `I2P through the SAM bridge at ${network.bridgeName}.`
  return `Waiting for the SAM bridge at ${network.bridgeName}, which does not answer yet.`
}

/** Closes; what hangs must not keep the user waiting. */
async function closeWithin(scope: Scope, patienceMs: number): Promise<void> {
  const patience = new Promise<void>((resolve) => setTimeout(resolve, patienceMs).unref())
  await Promise.race([scope.close(), patience])
}
