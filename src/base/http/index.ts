/**
 * HTTP/1.1 over any duplex stream: what proxies and sites share.
 *
 * @module
 */
export { type Exchange, type ExchangeLimits, type ExchangeTarget, exchange } from "./exchange.ts"
export { endWithPage, escapeHtml, type FaultPage, faultPage, safeFields } from "./fault-page.ts"
export {
  type Field,
  HTTP_FIELDS_MAX,
  listHas,
  plainName,
  readFields,
  valuesOf,
  withoutFields,
  withoutHopByHop,
  writeFields,
} from "./fields.ts"
export { claimsOrigin, identifiesSender, leadsAstray, revealsServer } from "./privacy.ts"
export {
  answerWithPage,
  type HttpServerLimits,
  hasBody,
  makeHttpServer,
  requestFault,
  startWithoutListening,
} from "./server.ts"
export { type DialForHttp, StreamAgent, type StreamAgentOptions } from "./stream-agent.ts"
export { StreamSocket, type StreamSocketOptions } from "./stream-socket.ts"
export { type UpgradeCall, upgrade } from "./upgrade.ts"
