// npm test, npm run demo, npm run bench, npm run deb, npm run package and the prepack of npm: does all the set-up, then hands over to Node 24.
// Runs on any Node from 18 on and imports nothing but Node itself: on a bare checkout there is nothing else.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findMissing, nodeBin, prepare, root, SetupError } from './setup.mjs'
import { runTests } from './test.mjs'

const USAGE = `usage: node tools/run.mjs setup | test [vitest arguments] | demo [arguments] | bench [arguments] | deb [folder] | package [folder]`
const SCRIPTS = {
  demo: 'demo/main.ts',
  bench: 'test/bench/main.ts',
  deb: 'tools/deb.mjs',
  package: 'tools/package.mjs',
  prepack: 'tools/prepack.mjs',
}

function runScript(script, args) {
  if (!existsSync(join(root, script))) throw new SetupError(`${script} is not in this checkout`)
  const { status, signal } = spawnSync(nodeBin('node'), [join(root, script), ...args], { cwd: root, stdio: 'inherit' })
  return signal ? 1 : (status ?? 1)
}

function run([verb, ...args]) {
  switch (verb) {
    case 'setup':
      prepare()
      return 0
    case 'test':
      prepare({ onlyNode: args.length > 0 && !needsLab(args), command: 'npm test' })
      return runTests(args)
    case 'demo':
    case 'bench':
      prepare({ command: `npm run ${verb}` })
      return runScript(SCRIPTS[verb], args)
    case 'deb':
    case 'package':
    case 'prepack':
      prepare({ onlyNode: true })
      return runScript(SCRIPTS[verb], args)
    default:
      console.error(USAGE)
      return 2
  }
}

/** A single unit test needs no virtual machine, so nobody should wait for one. */
function needsLab(args) {
  const unit = readdirSync(join(root, 'test/unit'))
  return !args.every((arg) => arg.startsWith('-') || unit.some((folder) => arg.startsWith(`test/unit/${folder}`)))
}

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  if (error.listMissing) for (const line of findMissing()) console.error(`  missing: ${line}`)
  process.exitCode = 44
}
