/**
 * A site where people drop files and texts: one page with a form, and no script.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import {
  AlliumError,
  answerWithPage,
  requireLength,
  type StreamAnswers,
  toAlliumError,
  watchBody,
} from "allium/plugin"
import { type DroppedFile, type DropRoom, Visit } from "./drop-folder.ts"
import { boundaryOf, type MultipartEvent, MultipartReader } from "./multipart.ts"
import { OWN_PAGE_POLICY, ownPage, safeFields, sendPage } from "./site-page.ts"

/** A folder and what may be dropped there. */
export interface ReceiveSiteOptions {
  readonly room: DropRoom
  readonly title: string
  /** Of one file. */
  readonly fileBytesMax: number
  /** Of one form with all its files. */
  readonly formBytesMax: number
  readonly now: () => number
  /** Told of each visit that brought something. */
  readonly onDrop: (fileCount: number) => void
}

/** Name of the form's text, and of the file it becomes. */
const MESSAGE = "message"
const MESSAGE_FILE = "message.txt"
/** A text; more is a file. */
const MESSAGE_BYTES_MAX = 512 * 1024
/** Files of one form. */
const FILES_MAX = 100
/** Forms that come in at a time. */
const FORMS_MAX = 32

/** Shows the form, and takes what people send with it. */
export function receiveSite(options: ReceiveSiteOptions): StreamAnswers {
  let formCount = 0
  const show = (request: IncomingMessage, response: ServerResponse, title: string, body: string) =>
    sendPage(ownPage(title, body), safeFields(OWN_PAGE_POLICY), request, response)

  const take = async (request: IncomingMessage, response: ServerResponse) => {
    if (formCount >= FORMS_MAX)
      throw new AlliumError("BUSY", "Cannot take this: too many people bring something")
    formCount += 1
    try {
      if (request.headers.expect !== undefined) response.writeContinue()
      const count = await takeForm(request, options)
      if (count > 0) options.onDrop(count)
      const word = count === 0 ? "Nothing was sent" : "Thank you"
      const said =
        count === 0
          ? ""
          : `<p>${count} ${count === 1 ? "item has" : "items have"} arrived whole.</p>\n`
      show(request, response, word, `${said}<p><a href="/">Back</a></p>`)
    } finally {
      formCount -= 1
    }
  }

  return {
    async request(request, response) {
      response.sendDate = false
      try {
        const [path] = (request.url ?? "").split("?", 1)
        if (path !== "/") throw new AlliumError("NOT_FOUND", "Cannot find page: there is one only")
        if (request.method === "POST") await take(request, response)
        else if (request.method === "GET" || request.method === "HEAD")
          show(request, response, options.title, FORM)
        else throw new AlliumError("METHOD_NOT_ALLOWED", "Cannot do that here: expected a form")
      } catch (thrown) {
        if (response.writableEnded) return
        if (!request.complete) response.shouldKeepAlive = false
        answerWithPage({ request, response }, toAlliumError(thrown))
      }
    },
  }
}

const FORM = `<form method="post" action="/" enctype="multipart/form-data">
<label>A message <textarea name="${MESSAGE}" rows="6"></textarea></label>
<label>Files <input type="file" name="files" multiple></label>
<button>Send</button>
</form>`

/** @returns How many items arrived whole. @throws {AlliumError} What was whole before a fault stays. */
async function takeForm(request: IncomingMessage, options: ReceiveSiteOptions): Promise<number> {
  const reader = new MultipartReader(boundaryOf(request.headers["content-type"]))
  const visit = new Visit(options.room, options.now())
  const form = new Form(visit, options)
  try {
    for await (const chunk of bodyOf(request, options.formBytesMax))
      for (const event of reader.read(chunk)) await form.take(event)
    reader.finish()
  } finally {
    await form.end()
    await visit.leave()
  }
  return visit.names.length
}

/** The body; when it must not go on, its connection stays for the page that says so. */
async function* bodyOf(request: IncomingMessage, bytesMax: number): AsyncGenerator<Buffer> {
  requireLength(request, bytesMax)
  let stop = () => {}
  const faulty = new Promise<never>((_resolve, reject) => {
    stop = watchBody(request, bytesMax, reject)
  })
  faulty.catch(() => {}) // told below, unless nobody reads any more
  const chunks = request.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await Promise.race([chunks.next(), faulty])
      if (next.done === true) return
      yield next.value as Buffer
    }
  } finally {
    stop()
  }
}

/** What a form brings, part by part. */
class Form {
  readonly #visit: Visit
  readonly #options: ReceiveSiteOptions
  #file: DroppedFile | undefined
  #bytesMax = 0

  constructor(visit: Visit, options: ReceiveSiteOptions) {
    this.#visit = visit
    this.#options = options
  }

  async take(event: MultipartEvent): Promise<void> {
    if (event.kind === "head") await this.#begin(event.head.field, event.head.fileName)
    else if (event.kind === "data") await this.#write(event.bytes)
    else await this.#finish()
  }

  /** Whatever is not whole is forgotten. */
  async end(): Promise<void> {
    await this.#file?.discard()
    this.#file = undefined
  }

  /** A browser sends an empty name when no file was chosen. */
  async #begin(field: string, fileName: string | undefined): Promise<void> {
    const isMessage = fileName === undefined && field === MESSAGE
    if (!isMessage && (fileName === undefined || fileName === "")) return
    if (this.#visit.names.length >= FILES_MAX)
      throw new AlliumError("TOO_LARGE", `Cannot take form: it has more than ${FILES_MAX} files`)
    this.#bytesMax = isMessage ? MESSAGE_BYTES_MAX : this.#options.fileBytesMax
    this.#file = await this.#visit.begin(isMessage ? MESSAGE_FILE : (fileName ?? ""))
  }

  async #write(bytes: Buffer): Promise<void> {
    const file = this.#file
    if (file === undefined || bytes.length === 0) return
    if (file.byteCount + bytes.length > this.#bytesMax)
      throw new AlliumError("TOO_LARGE", "Cannot take this: it is larger than allowed here")
    await file.write(bytes)
  }

  /** An empty text is no text. */
  async #finish(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    if (file.byteCount === 0) await file.discard()
    else await file.finish()
  }
}
