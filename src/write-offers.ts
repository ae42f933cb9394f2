/**
 * Last step of the build: writes what {@linkcode builtInOffers} reads.
 *
 * @module
 */
import { writeFileSync } from "node:fs"
import { describeOffers, OFFERS_FILE } from "./built-in.ts"

writeFileSync(OFFERS_FILE, JSON.stringify(await describeOffers()))
