/**
 * The Unix socket of the local API: in a folder of mode 0700, itself of mode 0600. Node cannot ask who
 * is at the other end, so the file modes are the lock.
 *
 * @module
 */
import { once } from "node:events"
import { chmod, lstat, mkdir, unlink } from "node:fs/promises"
import type { Server } from "node:http"
import { connect } from "node:net"
import { dirname } from "node:path"
import { AlliumError } from "../base/errors.ts"

/** Longest path of a Unix socket on macOS; Linux takes 107. */
const PATH_BYTES_MAX = 103

/**
 * Makes `server` listen at `path`. A socket left behind by a dead process is taken away.
 *
 * @param path - Absolute; its folder should hold nothing else, and is made when missing.
 * @throws {AlliumError} `ALREADY_RUNNING` when somebody answers there; `BAD_SOCKET` when the path is too
 * long, taken by another kind of file, or its folder is open to others.
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  const bytes = Buffer.byteLength(path)
  if (bytes > PATH_BYTES_MAX)
    throw badSocket(`its path has ${bytes} bytes, expected at most ${PATH_BYTES_MAX}`)
  await openFolder(dirname(path))
  await removeStale(path)
  server.listen({ path })
  await once(server, "listening")
  await chmod(path, 0o600)
}

async function openFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const { mode } = await lstat(folder)
  if ((mode & 0o077) === 0) return
  throw badSocket(`its folder has mode ${(mode & 0o777).toString(8)}, expected 700`)
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(ifMissing)
  if (found === undefined) return
  if (!found.isSocket()) throw badSocket("its path is taken by another kind of file")
  if (await answers(path))
    throw new AlliumError("ALREADY_RUNNING", "Cannot start: a router of this home runs already")
  await unlink(path).catch(ifMissing)
}

async function answers(path: string): Promise<boolean> {
  const probe = connect({ path })
  try {
    await once(probe, "connect")
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "ECONNREFUSED" || code === "ENOENT") return false
    throw new AlliumError("BAD_SOCKET", `Cannot listen: the old socket says ${code}`, {
      cause: error,
    })
  } finally {
    probe.destroy()
  }
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error
}

function badSocket(fault: string): AlliumError {
  return new AlliumError("BAD_SOCKET", `Cannot listen on the Unix socket: ${fault}`)
}
