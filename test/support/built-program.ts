/**
 * Builds the program before stories that start it: a command line from `dist` costs a twentieth of one from the source.
 *
 * @module
 */
import { execFileSync } from "node:child_process"
import { projectRoot } from "./project.ts"

/** Vitest's global set-up. `ALLIUM_BUILT=1` says that whoever started us has built it already. */
export function setup(): void {
  if (process.env.ALLIUM_BUILT === "1") return
  execFileSync("npm", ["run", "--silent", "build"], { cwd: projectRoot, stdio: "inherit" })
}
