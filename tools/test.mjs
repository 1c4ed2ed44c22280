// The whole test run: style, types, then the tests tier by tier, and one closing line that counts them all.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, relative } from 'node:path'
import { nodeBin, root } from './setup.mjs'

/** One after the other: the kernel tier's virtual machine would starve the others of the processor, and they it. */
const TIERS = ['unit', 'integration', 'containers', 'kernel']

export function runTests(args) {
  if (args.length > 0) return command('vitest', ['run', ...args])
  for (const [name, ...rest] of [
    ['biome', 'check', '--error-on-warnings', '.'],
    ['tsc', '--noEmit'],
    ['tsc', '--noEmit', '-p', 'tsconfig.browser.json'],
  ]) {
    const status = command(name, rest)
    if (status !== 0) return status
  }
  const reports = mkdtempSync(join(tmpdir(), 'pointsman-test-'))
  try {
    const outcomes = TIERS.map((tier) => runTier(tier, join(reports, `${tier}.json`)))
    // The start of a long output is often cut off: what failed is said again where it is read.
    for (const { tier, faults } of outcomes) for (const fault of faults) console.log(`\nFAILED ${tier}: ${fault}`)
    const sum = (field) => outcomes.reduce((total, outcome) => total + outcome[field], 0)
    console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
    return outcomes.every((outcome) => outcome.status === 0) ? 0 : 1
  } finally {
    rmSync(reports, { recursive: true, force: true })
  }
}

function runTier(tier, report) {
  console.log(`\n── ${tier} tests ──`)
  const started = Date.now()
  const status = command('vitest', [
    'run',
    '--project',
    tier,
    '--reporter=default',
    '--reporter=json',
    `--reporter=${join(root, 'tools/second-tries.mjs')}`,
    `--outputFile.json=${report}`,
  ])
  console.log(`${tier} tier: ${Math.round((Date.now() - started) / 1000)} s`)
  const { passed, failed, skipped, faults } = outcomeOf(report)
  if (status === 0 || failed > 0) return { tier, status, passed, failed, skipped, faults }
  // A tier that failed without a failed test (an engine that does not start, a file that does not load) counts as one.
  const unnamed = faults.length > 0 ? faults : [`ended with ${status}, and no test says why: see its output`]
  return { tier, status, passed, failed: 1, skipped, faults: unnamed }
}

/** A tier that broke before it could report has none. */
function outcomeOf(report) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
      readFileSync(report, 'utf8'),
    )
    const faults = testResults.flatMap(faultsOf)
    return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests, faults }
  } catch {
    return { passed: 0, failed: 0, skipped: 0, faults: [] }
  }
}

function faultsOf({ name, status, message, assertionResults }) {
  const file = relative(root, name)
  const failed = assertionResults.filter((test) => test.status === 'failed')
  if (status === 'failed' && failed.length === 0) return [`${file}: ${message}`]
  return failed.map(({ fullName, failureMessages }) => `${file}: ${fullName}\n${failureMessages.join('\n')}`)
}

function command(name, args) {
  const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}` }
  const { status } = spawnSync(nodeBin('node'), [nodeBin(name), ...args], { cwd: root, env, stdio: 'inherit' })
  return status ?? 1
}
