/**
 * The list of what is in a folder, as a page.
 *
 * @module
 */
import { escapeHtml, PAGE_HEAD } from "allium/plugin"
import type { SitePath } from "./site-path.ts"

/**
 * @param path - Of the folder.
 * @param names - In order; folders end in a slash.
 */
export function folderPage(path: SitePath, names: readonly string[]): string {
  const title = escapeHtml(`/${path.names.join("/")}`)
  const up = path.names.length > 0 ? ['<li><a href="../">../</a></li>'] : []
  const items = names.map((name) => `<li><a href="./${linkTo(name)}">${escapeHtml(name)}</a></li>`)
  return `<!doctype html>
<html lang="en">
${PAGE_HEAD}
<title>${title}</title>
<h1>${title}</h1>
<ul>
${[...up, ...items].join("\n")}
</ul>
</html>
`
}

function linkTo(name: string): string {
  return name.endsWith("/") ? `${encodeURIComponent(name.slice(0, -1))}/` : encodeURIComponent(name)
}
