#!/bin/sh
':' //; exec node --max-semi-space-size=8 "$0" "$@"
// What npm puts on the PATH: a shell reads the line above and starts Node with this very file, and to Node that line is a text and a
// comment. docs/decisions/a-small-young-generation.md says why.
// It is written for any Node, however old: the program itself would end there with a syntax error.
const { existsSync } = require('node:fs')
const { join } = require('node:path')

const OLDEST = 24
const program = join(__dirname, '..', 'dist', 'pointsman.mjs')

/** Why the program cannot run here; undefined where it can. The exit code is the one of an unsupported platform. */
function obstacle() {
  if (Number.parseInt(process.versions.node, 10) < OLDEST)
    return `Pointsman needs Node ${OLDEST} or later and this is Node ${process.versions.node}: install a newer one, or use the Debian package, which brings its own.`
  if (!existsSync(program))
    return `The program ${program} is not there: this is a checkout, or was packed from one, that has not been built. Run "npm run bundle" in it.`
  return undefined
}

const problem = obstacle()
if (problem === undefined) void import(require('node:url').pathToFileURL(program).href)
else {
  process.stderr.write(`pointsman: ${problem}\n`)
  process.exitCode = 44
}
