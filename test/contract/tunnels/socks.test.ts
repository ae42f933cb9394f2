import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import { openFakeNetwork } from "../../support/fake-session.ts"
import { describeSocks } from "./socks-contract.ts"

describeSocks("streams in memory", async () => openFakeNetwork())
describeSocks("the embedded network", async (scope) => scope.use(await openEmbeddedNetwork()))
