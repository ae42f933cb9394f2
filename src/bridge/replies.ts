/**
 * How the bridge answers.
 *
 * @module
 */
import { formatSamLine } from "../sam/message.ts"
import type { BridgeContext, Caller } from "./context.ts"

/** Values of a reply; what is `undefined` is left out. */
export type ReplyValues = Readonly<Record<string, string | number | undefined>>

/** Writes one reply: `SESSION STATUS RESULT=OK …`. */
export function formatReply(topic: string, verb: string, values: ReplyValues): string {
  const fields: [string, string][] = []
  for (const [key, value] of Object.entries(values))
    if (value !== undefined) fields.push([key, `${value}`])
  return formatSamLine(topic, verb, fields, { quoting: true })
}

/** Says no, and closes the connection where the router at hand does so. */
export async function refuse(
  caller: Caller,
  { traits }: BridgeContext,
  topic: "SESSION" | "STREAM" | "AUTH" | "DEST",
  values: { readonly RESULT: string; readonly MESSAGE?: string | undefined },
): Promise<void> {
  const verb = topic === "DEST" ? "REPLY" : "STATUS"
  await caller.reply(formatReply(topic, verb, values))
  if (traits.errorsClose || topic === "STREAM") caller.close()
}

/** A number from 0 to 65535 in a value; `undefined` for anything else. */
export function parsePort(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined
  const port = Number(text)
  return port <= 65535 ? port : undefined
}
