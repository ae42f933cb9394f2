/**
 * Reading standard input: whole, a line, or a secret typed by a person.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import type { Input, Terminal } from "./terminal.ts"

/** Twice the longest text of a message; a request to the API holds it. */
const CHARS_MAX = 2_097_152

/**
 * All of it, without the line end of the last line.
 *
 * @throws {AlliumError} `TOO_LARGE`.
 */
export async function readAllText(input: Input, call: { signal: AbortSignal }): Promise<string> {
  const text = await readUntil(input, () => false, call)
  return text.replace(/\r?\n$/, "")
}

/** The next line; `undefined` when nothing is left. What comes after stays for the next reader. */
export async function readLine(
  input: Input,
  call: { signal: AbortSignal },
): Promise<string | undefined> {
  const text = await readUntil(input, (so_far) => so_far.includes("\n"), call)
  const end = text.indexOf("\n")
  if (end < 0) return text === "" ? undefined : text
  const rest = text.slice(end + 1)
  if (rest !== "") input.unshift(Buffer.from(rest))
  return text.slice(0, end).replace(/\r$/, "")
}

async function readUntil(
  input: Input,
  isEnough: (text: string) => boolean,
  { signal }: { signal: AbortSignal },
): Promise<string> {
  const decoder = new TextDecoder()
  let text = ""
  const giveUp = () => input.destroy()
  signal.addEventListener("abort", giveUp, { once: true })
  try {
    for await (const chunk of input.iterator({ destroyOnReturn: false })) {
      text += decoder.decode(chunk as Uint8Array, { stream: true })
      if (text.length > CHARS_MAX)
        throw new AlliumError(
          "TOO_LARGE",
          `Cannot read standard input: over ${CHARS_MAX} characters`,
        )
      if (isEnough(text)) return text
    }
    return text
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener("abort", giveUp)
  }
}

/**
 * Asks on standard error and reads without echo. Backspace, Ctrl-U and Ctrl-D work; Ctrl-C rejects with
 * an `AbortError`.
 *
 * @returns What was typed; `undefined` for Ctrl-D on an empty line.
 */
export async function askSecret(
  { input, error }: Terminal,
  what: string,
  { signal }: { signal: AbortSignal },
): Promise<string | undefined> {
  error.write(`${what}: `)
  input.setRawMode?.(true)
  input.resume()
  try {
    return await typeSecret(input, signal)
  } finally {
    input.setRawMode?.(false)
    input.pause()
    error.write("\n")
  }
}

function typeSecret(input: Input, signal: AbortSignal): Promise<string | undefined> {
  const decoder = new TextDecoder()
  return new Promise<string | undefined>((resolve, reject) => {
    let typed = ""
    const leave = () => {
      input.off("data", take)
      signal.removeEventListener("abort", stop)
    }
    const stop = () => {
      leave()
      reject(signal.reason)
    }
    const take = (chunk: Buffer) => {
      for (const key of decoder.decode(chunk, { stream: true })) {
        const end = finish(key, typed)
        if (end !== undefined) {
          leave()
          return end.aborted ? reject(interrupted()) : resolve(end.secret)
        }
        typed = edit(key, typed)
      }
    }
    input.on("data", take)
    signal.addEventListener("abort", stop, { once: true })
    if (signal.aborted) stop()
  })
}

function finish(
  key: string,
  typed: string,
): { aborted: boolean; secret?: string | undefined } | undefined {
  if (key === "\x03") return { aborted: true }
  if (key === "\r" || key === "\n") return { aborted: false, secret: typed }
  if (key === "\x04") return { aborted: false, secret: typed === "" ? undefined : typed }
  return undefined
}

function edit(key: string, typed: string): string {
  if (key === "\x7f" || key === "\b") return [...typed].slice(0, -1).join("")
  if (key === "\x15") return ""
  return key < " " || typed.length >= CHARS_MAX ? typed : typed + key
}

function interrupted(): DOMException {
  return new DOMException("Interrupted", "AbortError")
}
