/**
 * What tunnel kinds share: ports of this machine, destinations that lead to programs, and their options.
 *
 * @module
 */
export { type ClientTunnelSettings, openClientTunnel } from "./client-tunnel.ts"
export { DatagramTarget } from "./datagram-target.ts"
export { type LocalPortRules, openLocalPort } from "./local-port.ts"
export {
  clientOptions,
  keyOptions,
  lingerOptions,
  listenOptions,
  type ProxyRules,
  proxyOptions,
  readClient,
  readProxy,
  readServer,
  serverOptions,
  targetOptions,
  whole,
} from "./options.ts"
export { type Lead, openServerTunnel } from "./server-tunnel.ts"
export { warmUp } from "./warm-up.ts"
