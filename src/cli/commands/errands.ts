/**
 * Errands that `allium try` runs on its two routers, through the same offers as the command line.
 *
 * @module
 */
import { once } from "node:events"
import { mkdir, writeFile } from "node:fs/promises"
import { type IncomingMessage, request } from "node:http"
import { join } from "node:path"
import { text as readText } from "node:stream/consumers"
import type { Router } from "../../router/router.ts"

/** Runs one offer of a router. */
export async function ask<T = unknown>(
  router: Router,
  verb: string,
  input: Record<string, unknown>,
  signal: AbortSignal,
): Promise<T> {
  const answer = await router.offers.run(verb, input, { signal, progress: () => {} })
  if (!("document" in answer)) throw new TypeError(`Cannot ask "${verb}": it answers with a stream`)
  return answer.document as T
}

/** The http-proxy of an earlier run, or a new one; its port on loopback. */
export async function openProxy(
  router: Router,
  port: number,
  signal: AbortSignal,
): Promise<number> {
  const tunnels = await ask<{ kind: string; listens?: string }[]>(router, "tunnel list", {}, signal)
  const standing = tunnels.find(({ kind, listens }) => kind === "http-proxy" && listens)
  const add = () =>
    ask<{ listens?: string }>(router, "tunnel add http-proxy", { listen: String(port) }, signal)
  const { listens = "" } = standing ?? (await add())
  return Number(listens.split(":").at(-1))
}

/** Fetches a page through a proxy of this machine. */
export async function readTitle(
  url: string,
  proxyPort: number,
  signal: AbortSignal,
): Promise<string> {
  const asked = request({ host: "127.0.0.1", port: proxyPort, path: url, signal })
  asked.setHeader("host", new URL(url).host)
  asked.end()
  const [response] = (await once(asked, "response", { signal })) as [IncomingMessage]
  const page = await readText(response)
  return /<title>(.*?)<\/title>/.exec(page)?.[1] ?? `status ${response.statusCode}`
}

/** The site of an earlier run, or a new one of a single page. @returns Its URL. */
export async function openSite(
  router: Router,
  title: string,
  signal: AbortSignal,
): Promise<string> {
  const [standing] = await ask<{ url: string }[]>(router, "site list", {}, signal)
  if (standing !== undefined) return standing.url
  const folder = join(router.home.folder, "site")
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, "index.html"), pageOf(title))
  return (await ask<{ url: string }>(router, "site serve", { folder }, signal)).url
}

function pageOf(title: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title}</title>
<style>body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>${title}</h1>
<p>This page came over a destination of its own, through an <code>http-proxy</code>.</p>
<p>On the embedded network that is not anonymous. On I2P it is the same page, the same command, and it is.</p>
</html>
`
}
