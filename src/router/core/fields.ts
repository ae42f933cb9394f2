/**
 * Fields that several of the router's own offers share.
 *
 * @module
 */
import { z } from "zod"

/** Which identity acts; the first one when absent. */
export const identityField = z
  .string()
  .max(64)
  .optional()
  .meta({ description: "Which identity acts; the first one by default" })

/** A contact by its name or its key. */
export const contactField = z.string().min(1).max(64).meta({ description: "Name of the contact" })

/** An answer that only says that it is done. */
export const doneShape = z.object({ name: z.string() })
