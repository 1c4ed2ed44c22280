/** The two configurations of docs/guide/keepalived.md, but for times and addresses. */

import { readFileSync } from 'node:fs'
import { inCheckout, type Lab, type LabProcess } from '../../lab/lab.ts'
import { freshDirectory } from './pointsman.ts'

/** What the page has, and who it is in a `bridge` of the lab. */
const ADDRESSES = { '192.0.2.10': '10.1.0.101', '192.0.2.21': '10.1.0.11', '192.0.2.22': '10.1.0.12' }

/** The block that begins with this word or words. */
export function guideBlock(begin: 'yaml' | 'text keepalived.conf'): string {
  const page = readFileSync(inCheckout('docs/guide/keepalived.md'), 'utf8')
  const found = page.split(`\`\`\`${begin}\n`)[1]?.split('```')[0]
  if (found === undefined) throw new Error(`docs/guide/keepalived.md has no block ${begin}`)
  return Object.entries(ADDRESSES).reduce((text, [from, to]) => text.replaceAll(from, to), found)
}

/** curl alone takes seconds to start on an emulated machine. */
const patient = (text: string): string =>
  text.replace('--max-time 2', '--max-time 8').replace('interval 2', 'interval 4\n    timeout 12')

export interface KeepalivedOptions {
  readonly netns: string
  /** Of its folder. */
  readonly name: string
  readonly conf: string
}

/** Started as the page says; it ends with what it is disposed with. */
export async function startKeepalived(lab: Lab, { netns, name, conf }: KeepalivedOptions): Promise<LabProcess & AsyncDisposable> {
  const directory = freshDirectory(`keepalived-${name}`)
  await lab.check(['mkdir', '-p', directory])
  const path = `${directory}/keepalived.conf`
  await lab.writeFile(path, patient(conf))
  const files = ['-f', path, '-p', `${directory}/pid`, '-r', `${directory}/vrrp.pid`]
  const process = lab.spawn(['keepalived', '--vrrp', '--dont-fork', '--log-console', ...files], { netns })
  return Object.assign(process, {
    [Symbol.asyncDispose]: async () => {
      process.kill('SIGTERM')
      await process.exited.catch(() => undefined)
    },
  })
}
