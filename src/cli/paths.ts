/**
 * Where things are: home, socket, token. Pure; the router and the command line ask the same function,
 * so they always meet.
 *
 * @see https://specifications.freedesktop.org/basedir-spec/latest/
 * @module
 */
import { isAbsolute, join, resolve } from "node:path"

/** Absolute paths. */
export interface Paths {
  /** Everything one router keeps. */
  readonly home: string
  /** The API's Unix socket, in a folder of its own. */
  readonly socket: string
  /** The loopback API's token. */
  readonly token: string
}

/** What decides. */
export interface PathsOptions {
  /** `--home`, as typed. */
  readonly home?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** The user's own folder. */
  readonly userFolder: string
}

/**
 * `--home`, then `ALLIUM_HOME`, then `$XDG_DATA_HOME/allium`, then `~/.local/share/allium`. The socket is
 * in the home, not in `$XDG_RUNTIME_DIR`: cron and ssh often run without that variable, and must find it.
 */
export function findPaths({ home: typed, env, cwd, userFolder }: PathsOptions): Paths {
  const chosen = typed || env.ALLIUM_HOME
  const data = absolute(env.XDG_DATA_HOME) ?? join(userFolder, ".local", "share")
  const home = chosen ? resolve(cwd, chosen) : join(data, "allium")
  return { home, socket: join(home, "run", "api.sock"), token: join(home, "api-token") }
}

/** The standard says: a relative path in these variables is to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}
