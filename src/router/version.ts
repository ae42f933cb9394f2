/**
 * The version of the package, from its own package.json.
 *
 * @module
 */
import { readFileSync } from "node:fs"

/** As far up from the source as from the build, all of whose files lie in `dist/src`. */
const PACKAGE = `${import.meta.dirname}/../../package.json`

/** Such as `0.1.0`. */
export const VERSION: string = JSON.parse(readFileSync(PACKAGE, "utf8")).version
