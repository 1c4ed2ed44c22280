/** What tests of the doctor share. */
import { expect } from 'vitest'
import type { Finding } from '../../src/daemon/doctor/facts.ts'

/** One thing that is broken. */
export interface Ailment {
  readonly what: string
  readonly line: RegExp
  readonly verdict: Exclude<Finding['verdict'], 'ok'>
  /** A line that is ok afterwards, beside the first one being gone. */
  readonly well: RegExp
}

export const ailment = (what: string, line: RegExp, verdict: Ailment['verdict'], well: RegExp): Ailment => ({
  what,
  line,
  verdict,
  well,
})

/** The line about it, while there is one. */
export function lineOf(checks: readonly Finding[], { line }: Pick<Ailment, 'line'>): Finding | undefined {
  return checks.find(({ verdict, message }) => verdict !== 'ok' && line.test(message))
}

/** The command of a line: its own, or the one that stands in its words. */
export function commandOf(finding: Finding | undefined): string {
  const { run, cure } = finding ?? {}
  return run ?? /"([^"]+)"/.exec(cure ?? '')?.[1] ?? 'false'
}

/** Words around a command that hide or change something in a mount namespace of its own. */
export const behind = (script: string, more: readonly string[] = []): readonly string[] => [
  'unshare',
  '--mount',
  ...more,
  'sh',
  '-ec',
  `${script}\nexec "$@"`,
  'sh',
]

/** As a user without any right. */
export const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all']

export function expectIll(checks: readonly Finding[], ailments: readonly Ailment[]): void {
  for (const ailment of ailments) {
    const found = lineOf(checks, ailment)
    const wrong = checks.flatMap(({ verdict, message }) => (verdict === 'ok' ? [] : [message]))
    expect(wrong, ailment.what).toContainEqual(expect.stringMatching(ailment.line))
    expect(found?.verdict, ailment.what).toBe(ailment.verdict)
    expect(found?.run ?? found?.cure ?? found?.message, ailment.what).toMatch(/\S/)
  }
}

export function expectWell(checks: readonly Finding[], ailments: readonly Ailment[]): void {
  for (const ailment of ailments) {
    expect(lineOf(checks, ailment), ailment.what).toBeUndefined()
    const fine = checks.flatMap(({ verdict, message }) => (verdict === 'ok' ? [message] : []))
    expect(fine, ailment.what).toContainEqual(expect.stringMatching(ailment.well))
  }
}
