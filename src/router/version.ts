/**
 * The version of the package, from its own package.json.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import { sep } from "node:path"

/** From the source as from the build, which is one folder deeper. */
const PACKAGE = import.meta.dirname.split(sep).includes("dist") ? "../../.." : "../.."

/** Such as `0.1.0`. */
export const VERSION: string = JSON.parse(
  readFileSync(`${import.meta.dirname}/${PACKAGE}/package.json`, "utf8"),
).version
