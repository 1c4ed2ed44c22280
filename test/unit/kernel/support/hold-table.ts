/** Holds the table until it is killed, or takes the name and says what it is told to: nothing, nonsense, no end. */
import { createServer, type Socket } from 'node:net'
import { holdTable } from '../../../../src/kernel/for-daemon.ts'

const [, , name = '', kind = ''] = process.argv

const LINE = { pid: 1, command: 'start', since: '2026-01-01T00:00:00.000Z' }

const WORDS: Readonly<Record<string, (socket: Socket) => void>> = {
  silent: () => undefined,
  garbage: (socket) => socket.end('<html>'),
  dribbling: (socket) => {
    const drops = setInterval(() => socket.write(' '), 100)
    socket.on('close', () => clearInterval(drops))
  },
  endless: (socket) => {
    const pour = (): void => {
      while (socket.writable && socket.write('x'.repeat(65_536)));
    }
    socket.on('drain', pour)
    pour()
  },
  'out to deceive a terminal': (socket) => socket.end(JSON.stringify({ ...LINE, command: 'start\u001b[2J) is fine.\nNow run' })),
  'out to deceive by a time': (socket) => socket.end(JSON.stringify({ ...LINE, since: 'today: run rm' })),
  'out to deceive by a number': (socket) => socket.end(JSON.stringify({ ...LINE, pid: -1 })),
}

const say = WORDS[kind]
if (say !== undefined) {
  createServer((socket) => {
    socket.on('error', () => undefined)
    say(socket)
  }).listen(`\0${name}`, () => process.stdout.write('held\n'))
} else {
  const hold = await holdTable({ command: 'start', version: '9.9' }, name)
  process.stdout.write('held\n')
  setInterval(() => hold.holder, 1000)
}
