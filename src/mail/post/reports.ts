/**
 * What became of letters of ours, for the plugins.
 *
 * @module
 */
import type { Correspondent } from "./correspondent.ts"
import type { Draft } from "./draft.ts"
import { receive, unlessBad } from "./hand-over.ts"
import { ofPlugins } from "./outgoing.ts"
import type { LetterState } from "./post.ts"

/** Takes the oldest letters out of the outbox and says how they ended. */
export async function settle(
  it: Correspondent,
  draft: Draft,
  end: { entries: readonly { topic: string; name: string }[]; state: LetterState },
): Promise<void> {
  draft.add(...it.outbox.removal(draft.removedCount, end.entries.length))
  draft.removedCount += end.entries.length
  await report(it, draft, end)
}

/** Says what became of letters. */
export async function report(
  it: Correspondent,
  draft: Draft,
  { entries, state }: { entries: readonly { topic: string; name: string }[]; state: LetterState },
): Promise<void> {
  for (const { name, topic } of ofPlugins(entries)) {
    const call = () => it.options.report(it.peer, name, topic, state)
    receive(draft, await unlessBad(call))
  }
}
