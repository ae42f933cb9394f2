import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import { openFakeNetwork } from "../../support/fake-session.ts"
import { describeTcpTunnels } from "./tcp-contract.ts"

describeTcpTunnels("streams in memory", async () => openFakeNetwork())
describeTcpTunnels("the embedded network", async (scope) => scope.use(await openEmbeddedNetwork()))
