/**
 * Keys made by the router.
 *
 * @module
 */
import { contextOf, type SamOptions } from "./context.ts"
import { openConversation } from "./conversation.ts"
import { type DestinationKeys, readDestinationKeys } from "./private-keys.ts"
import { generateRequest } from "./requests.ts"

const GENERATE_TIMEOUT_MS = 60_000

/**
 * Has the router make a destination, always Ed25519 (`SIGNATURE_TYPE=7`): without saying so, one gets DSA.
 * `deriveDestinationKeys` needs no router.
 *
 * @throws {AlliumError} `BAD_DESTINATION_KEYS` when the router made something else, and as
 * `openConversation` does.
 */
export async function generateDestination(
  options: SamOptions & { signal: AbortSignal },
): Promise<DestinationKeys> {
  const { signal } = options
  const { conversation } = await openConversation(contextOf(options), { signal })
  try {
    const ask = { signal, timeoutMs: GENERATE_TIMEOUT_MS }
    return readDestinationKeys(await conversation.ask(generateRequest(), ask))
  } finally {
    conversation.close()
  }
}
