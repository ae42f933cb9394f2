/**
 * Programs of this machine that I2P is led to: what tunnels and sites share.
 *
 * @module
 */
export { formatBackend, parseBackend } from "./address.ts"
export { loopbackFor, uniqueLocalFor } from "./client-address.ts"
export { type Backend, connectBackend, requirePossible } from "./connect.ts"
export { backendOptions, chooseBackend } from "./options.ts"
