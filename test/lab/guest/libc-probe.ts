/** Says whether Node and koffi work in the guest: what the lab's own test runs there. */

import { text } from 'node:stream/consumers'
import koffi from 'koffi'

const getpid = koffi.load('libc.so.6').func('int getpid()') as () => number
const report = {
  node: Number(process.versions.node.split('.')[0]),
  pidAgrees: getpid() === process.pid,
  args: process.argv.slice(2),
  input: await text(process.stdin),
}
console.log(JSON.stringify(report))
