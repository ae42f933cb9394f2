/**
 * The embedded network: a SAM v3 bridge on this machine, with a tiny network behind it.
 *
 * It is for trying out and for tests. NOT ANONYMOUS: nothing is encrypted, nothing leaves this machine.
 *
 * @see https://geti2p.net/en/docs/api/samv3
 * @module
 */
import { type Clock, systemClock } from "../base/clock.ts"
import { type Log, silentLog } from "../base/log.ts"
import { type Chance, type RandomBytes, seededChance, systemRandom } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Accounts } from "./accounts.ts"
import type { BridgeContext, SessionRecord } from "./context.ts"
import { openDatagramPort } from "./datagram-port.ts"
import { type BridgeFaults, faultsOf } from "./faults.ts"
import { defaultKnobs, type Knobs } from "./knobs.ts"
import { Network, type TraceEvent } from "./network.ts"
import { ROUTERS, type RouterName } from "./routers.ts"
import { openServer } from "./server.ts"
import { Sessions } from "./session.ts"
import { type NetworkStats, Ring } from "./stats.ts"

const RECORD_MAX = 1024
const SESSIONS_MAX = 1024
const CONNECTIONS_MAX = 4096

/** How to open an embedded bridge; everything has a default. */
export interface EmbeddedBridgeOptions {
  /** Address to listen on; 127.0.0.1. */
  readonly host?: string
  /** TCP port; 0, the default, takes a free one. */
  readonly port?: number
  /** UDP port; 0, the default, takes a free one. */
  readonly udpPort?: number
  readonly clock?: Clock
  /** Decides what is lost, refused and cut; the same seed gives the same story. */
  readonly chance?: Chance
  /** Makes keys. */
  readonly random?: RandomBytes
  readonly knobs?: Partial<Knobs>
  readonly router?: RouterName
  readonly log?: Log
  /** Names everybody can look up, with their destinations in I2P base64. */
  readonly names?: ReadonlyMap<string, string>
  /** Passwords by user; with any, HELLO needs them. */
  readonly users?: ReadonlyMap<string, string>
  /** Connections at once; 4096. Beyond, new ones are closed. */
  readonly connectionsMax?: number
}

/** An embedded bridge that listens. Closing it closes every connection. */
export interface EmbeddedBridge extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number; readonly udpPort: number }
  /** Live: change it and the network changes. */
  readonly knobs: Knobs
  /** The newest 1024 SESSION CREATEs that were answered with OK, oldest first. */
  readonly record: readonly SessionRecord[]
  /** The newest 4096 deeds of the network, oldest first. */
  readonly trace: readonly TraceEvent[]
  readonly stats: Readonly<NetworkStats>
  /** Names that can be looked up; may be changed. */
  readonly names: Map<string, string>
  /** Things that happen once; what lasts is in `knobs.faults`. */
  readonly faults: BridgeFaults
}

/**
 * Opens a bridge and its network.
 *
 * @throws {AlliumError} `EMBEDDED_PORT_TAKEN` when something listens on the port already.
 */
export async function openEmbeddedBridge(
  options: EmbeddedBridgeOptions = {},
): Promise<EmbeddedBridge> {
  await using scope = new Scope()
  const host = options.host ?? "127.0.0.1"
  const context = openContext(options)
  const server = scope.use(
    await openServer(context, {
      host,
      port: options.port ?? 0,
      connectionsMax: options.connectionsMax ?? CONNECTIONS_MAX,
    }),
  )
  const datagrams = scope.use(await openDatagramPort(context, host, options.udpPort ?? 0))
  context.sendUdp = datagrams.send
  context.udpPort = () => datagrams.port
  const owned = scope.move()
  return {
    address: { host, port: server.port, udpPort: datagrams.port },
    knobs: context.knobs,
    names: context.network.names,
    stats: context.network.stats,
    faults: faultsOf(context, server),
    get record() {
      return context.record.items
    },
    get trace() {
      return context.network.trace
    },
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

function openContext(options: EmbeddedBridgeOptions): {
  -readonly [Key in keyof BridgeContext]: BridgeContext[Key]
} {
  const clock = options.clock ?? systemClock
  const knobs = defaultKnobs(options.knobs)
  const traits = ROUTERS[options.router ?? "strict"]
  const chance = options.chance ?? seededChance(1)
  return {
    network: new Network({ clock, chance, knobs, traits, names: options.names ?? new Map() }),
    sessions: new Sessions(SESSIONS_MAX),
    accounts: new Accounts(options.users),
    knobs,
    traits,
    clock,
    random: options.random ?? systemRandom,
    log: (options.log ?? silentLog).child("bridge"),
    record: new Ring<SessionRecord>(RECORD_MAX),
    sendUdp: () => {},
    udpPort: () => 0,
  }
}
