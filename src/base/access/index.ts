/**
 * Who may use a server, and how much of it: what tunnels and sites share.
 *
 * @module
 */
export { AccessFilter } from "./access-filter.ts"
export { Gate } from "./gate.ts"
export { accessOptions, openGate, rateText, readRate } from "./options.ts"
