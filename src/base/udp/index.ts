/**
 * What tunnels for datagrams share.
 *
 * @module
 */
export { IdleMap } from "./idle-map.ts"
export { bindUdp, UNSENT_BYTES_MAX, udpAddress } from "./sockets.ts"
export { addTag, nextNumber, readTag } from "./tag.ts"
