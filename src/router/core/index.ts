/**
 * Offers of the router itself; known without a running one.
 *
 * @module
 */
import type { Offer } from "../offer.ts"
import type { TunnelKind } from "../tunnel.ts"
import { contactOffers } from "./contact-offers.ts"
import { feedOffers } from "./feed-offers.ts"
import { identityOffers } from "./identity-offers.ts"
import { nameOffers } from "./name-offers.ts"
import { pluginOffers } from "./plugin-offers.ts"
import { statusOffers } from "./status-offers.ts"
import { towerOffers } from "./tower-offers.ts"
import { tunnelOffers } from "./tunnel-offers.ts"

/** Every one of them, for these kinds of tunnels. */
export function coreOffers(tunnels: readonly TunnelKind[]): readonly Offer[] {
  return [
    ...statusOffers,
    ...identityOffers,
    ...contactOffers,
    ...nameOffers,
    ...feedOffers,
    ...pluginOffers,
    ...towerOffers,
    ...tunnelOffers(tunnels),
  ]
}
