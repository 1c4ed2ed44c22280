import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** A file of the status page. */
export interface PageAsset {
  readonly type: string
  readonly text: string
}

/** The files of src/admin/page, by their names; a bundle carries them. */
declare const POINTSMAN_PAGE: Readonly<Record<string, string>> | undefined

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

let assets: ReadonlyMap<string, PageAsset> | undefined

/** The page and what it loads, by name: `index.html`, `page.css`. They are read when somebody asks for the first time. */
export function pageAssets(): ReadonlyMap<string, PageAsset> {
  assets ??= new Map(
    Object.entries(typeof POINTSMAN_PAGE !== 'undefined' ? POINTSMAN_PAGE : ownFiles()).flatMap(([name, text]) => {
      const type = TYPES[name.split('.').at(-1) ?? '']
      return type === undefined ? [] : [[name, { type, text }]]
    }),
  )
  return assets
}

function ownFiles(): Record<string, string> {
  const folder = new URL('./page/', import.meta.url)
  if (!existsSync(folder)) return {}
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]))
}
