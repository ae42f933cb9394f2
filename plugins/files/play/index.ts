/**
 * `file play`: looks at a file while it comes, with any player on this machine.
 *
 * @module
 */
import { AlliumError, type PluginContext, Turns, type z } from "allium/plugin"
import type { TransferOwners } from "../owners.ts"
import { unwantedFiles } from "../world/wanted-files.ts"
import { mediaTypeOf } from "./media-type.ts"
import { type PlayDocument, playOffer } from "./offers.ts"
import type { PlayState } from "./playable.ts"
import { PlayServer } from "./server.ts"
import { PlaySession } from "./session.ts"

export { playOffer } from "./offers.ts"

/** Transfers that are looked at; beyond, the one that was used least lately ends. */
const SESSIONS_MAX = 16
/** A session that nobody used for so long ends when the next one begins: its URL is forgotten. */
const SESSION_IDLE_MS = 12 * 3_600_000
/** Files that one command lists. */
const URLS_MAX = 1_000

/** See the module. */
export class Plays implements AsyncDisposable {
  readonly #context: PluginContext
  readonly #owners: TransferOwners
  readonly #turns = new Turns()
  /** Tokens by transfer. */
  readonly #tokens = new Map<string, { readonly token: string; readonly session: PlaySession }>()
  #server: PlayServer | undefined

  /** Answers {@linkcode playOffer}; nothing listens before somebody asks. */
  constructor(context: PluginContext, owners: TransferOwners) {
    this.#context = context
    this.#owners = owners
    context.answer(playOffer, (input) => this.#turns.take(() => this.#play(input)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turns.take(async () => this.#server?.[Symbol.asyncDispose]())
  }

  async #play(input: z.output<(typeof playOffer)["input"]>): Promise<PlayDocument[]> {
    const { owner, id } = this.#owners.find(input.id)
    if (input.stop) {
      this.#stop(id)
      return []
    }
    const look = () => owner.play(id).catch((): PlayState => ({ kind: "never" }))
    const { clock } = this.#context
    this.#server ??= await PlayServer.open(() => clock.monotonicMs())
    this.#tidy()
    const known = this.#tokens.get(id)
    const session =
      known?.session ?? new PlaySession({ metainfo: metainfoOf(await look()), look, clock })
    const token = known?.token ?? this.#server.add(session)
    this.#tokens.set(id, { token, session })
    return this.#urls(this.#server, token, session, input.file)
  }

  #urls(server: PlayServer, token: string, session: PlaySession, only: string | undefined) {
    const { files } = session.metainfo
    const unwanted = unwantedFiles(files, only === undefined ? [] : [only])
    if (unwanted === undefined)
      throw new AlliumError("NOT_FOUND", "Cannot play file: none is named like that")
    const skipped = new Set(unwanted)
    return [...files.entries()]
      .filter(([index, { kind }]) => kind === "file" && !skipped.has(index))
      .slice(0, URLS_MAX)
      .map(([index, file]) => ({
        ...{
          name: file.path.join("/"),
          size: file.size,
          type: mediaTypeOf(file.path.at(-1) ?? ""),
        },
        url: server.url(token, index, file),
      }))
  }

  #stop(id: string): void {
    const known = this.#tokens.get(id)
    if (known !== undefined) this.#server?.remove(known.token)
    this.#tokens.delete(id)
  }

  #tidy(): void {
    const used = [...this.#tokens]
      .map(([id, { token }]) => ({ id, atMs: this.#server?.usedAtMs(token) ?? 0 }))
      .sort((one, other) => one.atMs - other.atMs)
    const oldestMs = this.#context.clock.monotonicMs() - SESSION_IDLE_MS
    for (const [index, { id, atMs }] of used.entries())
      if (atMs < oldestMs || used.length - index >= SESSIONS_MAX) this.#stop(id)
  }
}

/** @throws {AlliumError} `FILE_STATE` while nothing can be played. */
function metainfoOf(state: PlayState) {
  if (state.kind === "now") return state.playable.metainfo
  const found = {
    later: "nothing is known of its content yet, or it rests",
    whole: "it is here whole, open it with any program",
    never: "it is not coming in",
  }[state.kind]
  throw new AlliumError("FILE_STATE", `Cannot play transfer: ${found}`)
}
