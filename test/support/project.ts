/** The project's own files, for tests about the code itself. */
import { existsSync, readdirSync } from "node:fs"
import { join, relative } from "node:path"

/** Absolute path of the folder with package.json. */
export const projectRoot = join(import.meta.dirname, "..", "..")

/** Files below a folder of the project with this ending, as paths from the project's root. */
export function filesBelow(folder: string, ending = ".ts"): string[] {
  const top = join(projectRoot, folder)
  if (!existsSync(top)) return []
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)))
}
