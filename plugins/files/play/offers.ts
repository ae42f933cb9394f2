/**
 * What is offered about looking at files while they come.
 *
 * @module
 */
import { offer, z } from "allium/plugin"

/** Of a name to look for. */
const PLAY_NAME_CHARACTERS_MAX = 256

const playShape = z.object({
  name: z.string(),
  size: z.int(),
  /** Media type. */
  type: z.string(),
  /** On this machine alone; whoever knows it may read the file. */
  url: z.string(),
})
/** A file and where players find it. */
export type PlayDocument = z.output<typeof playShape>

export const playOffer = offer({
  verb: "file play",
  summary: "Look at a file while it comes: prints URLs for a player on this machine",
  positional: ["id"],
  examples: ["file play 3fa9", "file play 3fa9 --file '*.mkv'", "file play 3fa9 --stop"],
  input: z.object({
    id: z
      .string()
      .regex(/^[0-9a-fA-F]{1,40}$/)
      .meta({ description: "The transfer's id, or the beginning of it" }),
    file: z
      .string()
      .min(1)
      .max(PLAY_NAME_CHARACTERS_MAX)
      .optional()
      .meta({ description: "Only files with this in their path, or of a pattern such as *.mkv" }),
    stop: z.boolean().default(false).meta({ description: "Serve it no longer" }),
  }),
  output: z.array(playShape),
  display: { columns: ["name", "size|bytes", "type", "url"], empty: "Nothing is served." },
})
