/**
 * HTTP/1.1 over any duplex stream: what proxies and sites share.
 *
 * @module
 */
export { openBackendAnswers, type RequestRefusals } from "./backend-answers.ts"
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
export {
  readWebServer,
  requestLimits,
  requestOptions,
  webAccessOptions,
  webServerOptions,
} from "./options.ts"
export { requireLength, watchBody } from "./pace.ts"
export { PAGE_HEAD, PAGE_STYLE_POLICY } from "./page-style.ts"
export { identifiesSender, leadsAstray } from "./privacy.ts"
export type { Visitor } from "./served-fields.ts"
export {
  answerWithPage,
  type HttpServerLimits,
  hasBody,
  makeHttpServer,
  requestFault,
  startWithoutListening,
} from "./server.ts"
export { type DialForHttp, StreamAgent, type StreamAgentOptions } from "./stream-agent.ts"
export {
  openStreamServer,
  type StreamAnswers,
  type StreamServer,
  type StreamServerLimits,
} from "./stream-server.ts"
export { StreamSocket, type StreamSocketOptions } from "./stream-socket.ts"
export { type UpgradeCall, upgrade } from "./upgrade.ts"
