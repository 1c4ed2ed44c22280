import { describe, expect, it } from 'vitest'
import { importEzlb } from '../../../src/migrate/ezlb.ts'
import { importIpvsctl } from '../../../src/migrate/ipvsctl.ts'
import { importKglb } from '../../../src/migrate/kglb.ts'
import { keepalived, type Outcome, outcome, parsed, virtualServer } from './support.ts'

const NONE = { files: [], urls: [] }
const SERVICE = '{ name: web, listen: 10.0.0.1:80, scheduler: rr, backends: [], '
const real = (block: string) => `real_server 10.0.1.1 80 {\n${block}\n}`

/** What is listed of a directive: `file:line: DIRECTIVE: reason; remedy`. */
const directives = ({ leftOut }: Outcome): string[] => leftOut.map((line) => /^[^:]*(?::\d+)?: (.*?): /.exec(line)?.[1] ?? '')

describe('what is listed of a file holds no secret of it', () => {
  it.each<[what: string, imported: () => Promise<Outcome>, shown: string]>([
    [
      'a program of a real server',
      () => virtualServer(real('notify_down "/bin/tell --key hunter2"')),
      'notify_down /bin/tell ***',
    ],
    ['the same in words', () => virtualServer(real('notify_up /bin/tell hunter2')), 'notify_up /bin/tell ***'],
    ['a variable of a program', () => virtualServer(real('notify_up "PIN=hunter2 /bin/tell"')), 'notify_up ***'],
    ['a program without arguments', () => virtualServer(real('notify_up /bin/tell')), 'notify_up /bin/tell'],
    [
      'a program that is told of a quorum as another user',
      () => virtualServer(`quorum 1\nquorum_up "/bin/tell hunter2" me\n${real('')}`),
      'quorum_up /bin/tell ***',
    ],
    ['a token', () => virtualServer('api_token hunter2'), 'api_token ***'],
    ['what a probe sends', () => virtualServer(real('UDP_CHECK { payload hunter2 }')), 'payload ***'],
    [
      'a file that is included',
      () => keepalived(`include http://me:hunter2@x/y\nvirtual_server 10.0.0.1 80 {\n${real('')}\n}\n`),
      'include http://***@x/y',
    ],
    ['a login in an address', () => virtualServer('report http://me:hunter2@10.0.0.5/'), 'report http://***@10.0.0.5/'],
    ['one with an @ in it', () => virtualServer('report http://me:x@hunter2@10.0.0.5/'), 'report http://***@10.0.0.5/'],
    ['a key in an address', () => virtualServer('report http://10.0.0.5/?token=hunter2'), 'report http://10.0.0.5/?token=***'],
    [
      'a program in a line for some hosts',
      () => keepalived(`virtual_server 10.0.0.1 80 {\n${real('')}\n}\n@lb1 notify_master "/bin/tell hunter2"\n`),
      '@lb1 notify_master "/bin/tell ***',
    ],
    [
      'a login in such a line',
      () => keepalived(`@lb1 report http://me:hunter2@10.0.0.5/\nvirtual_server 10.0.0.1 80 {\n${real('')}\n}\n`),
      '@lb1 report http://***@10.0.0.5/',
    ],
    [
      'a key that ezlb does not know',
      () => outcome(importEzlb(parsed(`services: [${SERVICE}auth_password: hunter2 }]`))),
      'auth_password',
    ],
    [
      'an address that ezlb does not know',
      () => outcome(importEzlb(parsed(`services: [${SERVICE}report: "http://me:hunter2@x/" }]`))),
      'report',
    ],
    [
      'a key that ipvsctl does not know',
      () => outcome(importIpvsctl(parsed('apiToken: hunter2\nservices: []\n'), NONE)),
      'apiToken',
    ],
    [
      'a key that kglb does not know',
      () => outcome(importKglb(parsed('{"secret": "hunter2", "balancers": []}', 'kglb.json'))),
      'secret',
    ],
  ])('%s', async (_, imported, shown) => {
    const found = await imported()
    expect(found.leftOut.join('\n')).not.toContain('hunter2')
    expect(directives(found)).toContain(shown)
  })

  it('nor does what is said of a list of words that cannot be read', async () => {
    const text = 'virtual_server 10.0.0.1 80 {\n}\n~LST({USER, PASS}, {me}, {hunter2}) x\n'
    await expect(keepalived(text)).rejects.toThrow(/what begins with ~LST cannot be read/)
    await expect(keepalived(text)).rejects.not.toThrow(/hunter2/)
  })
})
