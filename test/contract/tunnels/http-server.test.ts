import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import { openFakeNetwork } from "../../support/fake-session.ts"
import { describeHttpServer } from "./http-server-contract.ts"

describeHttpServer("streams in memory", async () => openFakeNetwork())
describeHttpServer("the embedded network", async (scope) => scope.use(await openEmbeddedNetwork()))
