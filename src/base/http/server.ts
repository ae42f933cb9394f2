/**
 * An `http.Server` that is hard to keep busy with nothing: strict parser, bounded heads, time limits.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { AlliumError } from "../errors.ts"
import { endWithPage, type FaultPage, faultPage } from "./fault-page.ts"
import { countOf, HTTP_FIELDS_MAX } from "./fields.ts"

/** Limits of a server. */
export interface HttpServerLimits {
  /** Request line and fields together. */
  readonly headBytesMax: number
  /** Time for a whole head, from its first byte. */
  readonly headMs: number
  /** Time for a whole request with its body; 0 for none. */
  readonly requestMs: number
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number
}

/** Looks for late heads so often. */
const CHECK_EVERY_MS = 1_000

/** A server without a listener; broken requests get a page and their connection ends. */
export function makeHttpServer(limits: HttpServerLimits): Server {
  const server = createServer({
    maxHeaderSize: limits.headBytesMax,
    headersTimeout: limits.headMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: CHECK_EVERY_MS,
    insecureHTTPParser: false,
    requireHostHeader: true,
  })
  server.maxHeadersCount = 0 // node would drop fields beyond silently: requestFault() counts them
  server.on("clientError", answerBrokenRequest)
  server.on("checkExpectation", (_request, response: ServerResponse) => {
    response.writeHead(417, { "Content-Length": 0 }).end()
  })
  return server
}

/** Starts the time limits of a server that never listens and is given its connections by hand. */
export function startWithoutListening(server: Server): void {
  server.emit("listening")
}

function answerBrokenRequest(error: NodeJS.ErrnoException, connection: Duplex): void {
  const answer = (connection as { _httpMessage?: ServerResponse })._httpMessage
  if (error.code === "ECONNRESET" || !connection.writable || answer?.headersSent === true)
    return void connection.destroy()
  endWithPage(connection, faultPage(headFault(error.code), undefined))
}

function headFault(code: string | undefined): AlliumError {
  if (code === "HPE_HEADER_OVERFLOW")
    return new AlliumError("HEAD_TOO_LARGE", "Cannot read request: its header is too large")
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return new AlliumError("TOO_SLOW", "Cannot read request: it did not arrive in time")
  return new AlliumError("BAD_REQUEST", "Cannot read request: it is not valid HTTP/1.1")
}

/**
 * What is wrong with a head the parser let pass: it must mean the same to us and to the next server.
 *
 * @returns `HEAD_TOO_LARGE` or `BAD_REQUEST`, or `undefined` when it is sound.
 */
export function requestFault(request: IncomingMessage): AlliumError | undefined {
  const { rawHeaders } = request
  const coding = request.headers["transfer-encoding"]
  if (request.httpVersion !== "1.1" && request.httpVersion !== "1.0")
    return badRequest("its version is not HTTP/1.1 or 1.0")
  if (rawHeaders.length > 2 * HTTP_FIELDS_MAX)
    return new AlliumError(
      "HEAD_TOO_LARGE",
      `Cannot read request: more than ${HTTP_FIELDS_MAX} fields`,
    )
  if (countOf(rawHeaders, "host") > 1) return badRequest("it names two hosts")
  if (coding !== undefined && coding.toLowerCase() !== "chunked")
    return badRequest("its transfer coding is not known")
  if (coding !== undefined && request.httpVersion !== "1.1")
    return badRequest("its transfer coding is not of its version")
  return undefined
}

function badRequest(found: string): AlliumError {
  return new AlliumError("BAD_REQUEST", `Cannot read request: ${found}`)
}

/** The request brings a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": coding } = headers
  return coding !== undefined || (length !== undefined && Number(length) > 0)
}

/** After these nobody knows where the next message begins. */
const BROKEN = ["BAD_REQUEST", "HEAD_TOO_LARGE"]

/**
 * Answers with a page of ours; when an answer has begun, it is cut off so that nobody takes it for whole.
 *
 * @param page - The one for `error`, unless given.
 */
export function answerWithPage(
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  error: AlliumError,
  page: FaultPage = faultPage(error, request.headers.accept),
): void {
  if (response.headersSent) return void response.destroy()
  const { status, fields, body } = page
  response.sendDate = false
  if (BROKEN.includes(error.code)) response.shouldKeepAlive = false
  response.writeHead(status, fields).end(request.method === "HEAD" ? undefined : body)
}
