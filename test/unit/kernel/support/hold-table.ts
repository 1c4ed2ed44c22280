/** Holds the table until it is killed, or takes the name and says nothing when told `silent`. */
import { createServer } from 'node:net'
import { holdTable } from '../../../../src/kernel/for-daemon.ts'

const [, , name = '', kind] = process.argv

if (kind === 'silent') createServer(() => undefined).listen(`\0${name}`, () => process.stdout.write('held\n'))
else if (kind === 'garbage') createServer((s) => s.end('<html>')).listen(`\0${name}`, () => process.stdout.write('held\n'))
else {
  const hold = await holdTable({ command: 'start', version: '9.9' }, name)
  process.stdout.write('held\n')
  setInterval(() => hold.holder, 1000)
}
