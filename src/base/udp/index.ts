/**
 * What tunnels for datagrams share.
 *
 * @module
 */
export { IdleMap } from "./idle-map.ts"
export { bindUdp, udpAddress } from "./sockets.ts"
export { addTag, readTag } from "./tag.ts"
