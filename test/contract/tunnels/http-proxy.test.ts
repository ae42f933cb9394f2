import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import { openFakeNetwork } from "../../support/fake-session.ts"
import { describeHttpProxy } from "./http-proxy-contract.ts"

describeHttpProxy("streams in memory", async () => openFakeNetwork())
describeHttpProxy("the embedded network", async (scope) => scope.use(await openEmbeddedNetwork()))
