import { expect, test } from 'vitest'
import { logAnnouncements } from '../../../src/daemon/log-announcement.ts'
import { loggerTo } from '../../../src/log.ts'
import type { Announced } from '../../../src/model/desired-state.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { DesiredUpdate } from '../../../src/pipeline/desired-update.ts'
import { state } from '../../support/desired.ts'
import { identity, provenance, spec } from '../pipeline/makers.ts'

const BY_QUORUM = spec({ virtualAddress: { announceWhen: 'quorum', hold: 10_000 } })

function update(announced: Announced | undefined): DesiredUpdate {
  const pool = { mode: 'normal', heldFailures: new Map<never, never>(), ...(announced !== undefined && { announced }) } as const
  const known = provenance(announced === undefined ? spec() : BY_QUORUM, { pool })
  return { desired: state([]), provenance: new Map([[serviceKey(identity()), known]]), eventAt: 0 }
}

function said(before: DesiredUpdate | undefined, after: DesiredUpdate): string[] {
  const lines: string[] = []
  const write = (line: string) => {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string }
    lines.push(`${level}: ${msg}`)
  }
  logAnnouncements(before, after, loggerTo({ write }, 'info'))
  return lines
}

test('an address that hangs on a quorum has a line when it comes and when it goes', () => {
  expect(said(undefined, update('undecided'))).toEqual([
    'info: web: its address 10.0.0.1 is left as it is until a backend is up, or its quorum has been lost for 10s',
  ])
  expect(said(update('undecided'), update(true))).toEqual(['info: web: its address 10.0.0.1 is to be here: its quorum is had'])
  expect(said(update(false), update(true))).toEqual(['info: web: its address 10.0.0.1 is to be here: its quorum is had'])
  expect(said(update(true), update(false))).toEqual([
    'warn: web: its address 10.0.0.1 is taken away: its quorum has been lost for 10s',
  ])
  expect(said(update('undecided'), update(false))).toEqual([
    'warn: web: its address 10.0.0.1 is not to be here: its quorum has been lost for 10s',
  ])
})

test('nothing is said where nothing turned, and of other services', () => {
  expect(said(update(true), update(true))).toEqual([])
  expect(said(undefined, update(undefined))).toEqual([])
})
