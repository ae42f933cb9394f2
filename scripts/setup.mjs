/**
 * Makes a fresh clone ready: installs what `package-lock.json` names, when something of it is not there.
 *
 * Plain Node, because it runs before any dependency exists. Contents are compared, not times: a
 * checkout that only touches the lock file costs nothing.
 *
 * @module
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

const reason = whyInstall()
if (reason !== undefined) {
  console.log(`Installing dependencies: ${reason} …`)
  // npm is a batch file on Windows, and those need a shell.
  const shell = process.platform === "win32"
  const { status, error } = spawnSync("npm", ["ci"], { cwd: root, stdio: "inherit", shell })
  if (error !== undefined) console.error(`Cannot install dependencies: ${error.message}`)
  process.exitCode = status ?? 1
}

/** What differs between the lock file and what npm noted when it last installed; nothing when equal. */
function whyInstall() {
  const wanted = readPackages("package-lock.json")
  const present = readPackages("node_modules/.package-lock.json")
  if (present === undefined) return "node_modules is missing"
  for (const [path, { version, integrity, optional }] of Object.entries(wanted ?? {})) {
    const installed = present[path]
    // Binaries for other machines are optional and absent.
    if (path === "" || (installed === undefined && optional)) continue
    if (installed?.version !== version || installed?.integrity !== integrity)
      return `${path} is not the one in package-lock.json`
  }
  return undefined
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(new URL(path, `file://${root}`), "utf8")).packages
  } catch {
    return undefined
  }
}
