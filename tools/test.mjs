// The whole test run: style, types, then the tests tier by tier, and one closing line that counts them all.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, relative } from 'node:path'
import { nodeBin, root } from './setup.mjs'

/**
 * One step after the other: the kernel tier's virtual machines would starve the others of the processor, and they it. Tests of integration and with containers wait most of
 * the time, in which the unit tests use it.
 */
const STEPS = [['unit', 'integration', 'containers'], ['kernel'], ['kernel-alone']]

export async function runTests(args) {
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
    const outcomes = []
    for (const tiers of STEPS) outcomes.push(...(await runStep(tiers, reports)))
    // The start of a long output is often cut off: what failed is said again where it is read.
    for (const { tier, faults } of outcomes) for (const fault of faults) console.log(`\nFAILED ${tier}: ${fault}`)
    const sum = (field) => outcomes.reduce((total, outcome) => total + outcome[field], 0)
    console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
    return outcomes.every((outcome) => outcome.status === 0) ? 0 : 1
  } finally {
    rmSync(reports, { recursive: true, force: true })
  }
}

/** Of several tiers at a time the first is seen at once, what the others print is seen when they have ended. */
function runStep(tiers, reports) {
  return Promise.all(
    tiers.map((tier, index) =>
      runTier(tier, join(reports, `${tier}.json`), index > 0 ? join(reports, `${tier}.log`) : undefined),
    ),
  )
}

async function runTier(tier, report, log) {
  const started = Date.now()
  if (log === undefined) console.log(`\n── ${tier} tests ──`)
  const status = await vitest(
    [
      ...['run', '--project', tier, '--reporter=default', '--reporter=json'],
      `--reporter=${join(root, 'tools/second-tries.mjs')}`,
      `--outputFile.json=${report}`,
    ],
    log,
  )
  if (log !== undefined) console.log(`\n── ${tier} tests ──\n${readFileSync(log, 'utf8')}`)
  console.log(`${tier} tier: ${Math.round((Date.now() - started) / 1000)} s`)
  const { passed, failed, skipped, faults } = outcomeOf(report)
  if (status === 0 || failed > 0) return { tier, status, passed, failed, skipped, faults }
  // A tier that failed without a failed test (an engine that does not start, a file that does not load) counts as one.
  const unnamed = faults.length > 0 ? faults : [`ended with ${status}, and no test says why: see its output`]
  return { tier, status, passed, failed: 1, skipped, faults: unnamed }
}

/** Its exit code. What it prints goes into the file `log`, or where our own output goes. */
async function vitest(args, log) {
  const to = log === undefined ? 'inherit' : openSync(log, 'w')
  const options = { cwd: root, env: environment(), stdio: ['ignore', to, to] }
  try {
    return await new Promise((resolve) => {
      const child = spawn(nodeBin('node'), [nodeBin('vitest'), ...args], options)
      child.once('error', () => resolve(1))
      child.once('close', (code) => resolve(code ?? 1))
    })
  } finally {
    if (log !== undefined) closeSync(to)
  }
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

const environment = () => ({
  ...process.env,
  PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}`,
})

function command(name, args) {
  const options = { cwd: root, env: environment(), stdio: 'inherit' }
  return spawnSync(nodeBin('node'), [nodeBin(name), ...args], options).status ?? 1
}
