/** Commands of the documentation that test/kernel/docs-examples.test.ts does not run, and where they are run instead, or why nowhere. */

import { type Example, withoutComment } from './doc-examples.ts'

export interface Elsewhere {
  readonly command: RegExp
  /** The test that runs it, and words of the command that it must have. */
  readonly test?: { readonly file: string; readonly has: readonly string[] }
  /** In its place, or where the test runs what the command runs. */
  readonly because?: string
}

const THE_SUITE =
  'it is the run of the tests itself; test/unit/docs/examples.test.ts looks whether script, project and file are there'

export const ELSEWHERE: readonly Elsewhere[] = [
  { command: /^npm test$|^npm run test:\w+$|^vitest run |^npm run check$/, because: THE_SUITE },
  {
    command: /^npm run setup$/,
    because: 'every test runs in what it has set up',
    test: { file: 'test/integration/setup.test.ts', has: ['tools/run.mjs', 'setup'] },
  },
  { command: /^npm run demo$/, test: { file: 'test/kernel/demo.test.ts', has: ['demo/main.ts'] } },
  { command: /^npm run deb$/, test: { file: 'test/integration/install/deb.test.ts', has: ['tools/deb.mjs'] } },
  { command: /^npm run package$/, test: { file: 'test/integration/install/npm.test.ts', has: ['tools/package.mjs'] } },
  { command: /^npm install -g /, test: { file: 'test/integration/install/npm.test.ts', has: ["'install'", '--global'] } },
  {
    command: /^(cp|sed|mkdir) .*(deploy\/|\/etc\/pointsman)|^systemctl daemon-reload && /,
    test: { file: 'test/integration/install/npm.test.ts', has: ["blockOf('docs/install.md', 'sh', 'mkdir -p /etc/sysusers.d')"] },
  },
  {
    command: /^npm run deb && docker build |^docker run /,
    test: { file: 'test/containers/image.test.ts', has: ["blockOf('docs/install.md', 'sh', 'npm run deb && docker build')"] },
  },
  {
    command: /^npm run bench$|^npm run bench -- /,
    test: { file: 'test/integration/bench-smoke.test.ts', has: ['test/bench/main.ts', '--quick', '--json'] },
    because: 'whole it takes hours; test/unit/docs/examples.test.ts has its command line read every other line',
  },
  {
    command: /^node test\/lab\/shell\.ts |^kill %1$|^node src\/main\.ts plan /,
    test: { file: 'test/integration/docs-examples.test.ts', has: ['docs/lab.md', 'CONTRIBUTING.md'] },
  },
]

export const elsewhere = ({ command }: Example): Elsewhere | undefined =>
  ELSEWHERE.find((each) => each.command.test(withoutComment(command)))
