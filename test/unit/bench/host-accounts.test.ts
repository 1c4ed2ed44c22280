import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import { guestAccounts, hostAccounts } from '../../bench/host-accounts.ts'
import type { GuestMessage, Message, Sample } from '../../bench/sample.ts'

const sample: Sample = { kind: 'sample', measure: 'lab-probe-cpu', shape: 'x', subject: 'y', value: 5 }
const ends = (share: number, count: number): GuestMessage => ({ kind: 'window-ends', sample, share, count })

/** Works in a child that ends, then in one that says so and stays. */
const WORK = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'
const PROGRAM = `sh -c '${WORK}'; sh -c '${WORK}; echo worked; read end'; true`

it('takes the share of what a process and all that descend from it have used in the window', async () => {
  const child = spawn('sh', ['-c', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.stdin.end())
  const told: Message[] = []
  const [whole, half] = [0, 1].map(() =>
    hostAccounts(
      () => child.pid ?? 0,
      (message) => void told.push(message),
    ),
  )
  for (const account of [whole, half]) account?.({ kind: 'window-begins' })
  await once(child.stdout, 'data')
  whole?.(ends(1, 10))
  half?.(ends(0.5, 10))
  const [all, part] = told.map((message) => (message.kind === 'sample' ? message.value : Number.NaN))
  expect(all).toBeGreaterThan(0)
  // A tick, the unit of these accounts, is a thousand here.
  expect(part).toBeCloseTo((all ?? 0) / 2, -4)
})

it('passes on what is no edge of a window', () => {
  const told: Message[] = []
  const progress: Message = { kind: 'progress', text: 'on' }
  const account = hostAccounts(
    () => process.pid,
    (message) => void told.push(message),
  )
  for (const message of [progress, { kind: 'window-begins' } as const, sample]) account(message)
  expect(told).toEqual([progress, sample])
})

it('leaves to the guest what it knows itself', () => {
  const told: Message[] = []
  const account = guestAccounts((message) => void told.push(message))
  for (const message of [{ kind: 'window-begins' } as const, ends(0.5, 10)]) account(message)
  expect(told).toEqual([sample])
})
