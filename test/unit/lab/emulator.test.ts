import { describe, expect, it } from 'vitest'
import { counterArgument } from '../../lab/emulator.ts'

const cpuinfo = (flags: string, megahertz = '2596.152') =>
  `processor\t: 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: ${megahertz}\nflags\t\t: fpu tsc ${flags}\nbugs\t\t: none\n`

describe('an emulated guest', () => {
  it('is told how fast the time-stamp counter runs where the machine knows that', () => {
    expect(counterArgument(cpuinfo('constant_tsc tsc_known_freq hypervisor'))).toBe('tsc_early_khz=2596152')
    expect(counterArgument(cpuinfo('tsc_known_freq'))).toBe('tsc_early_khz=2596152')
  })

  it('measures it where the machine only says how fast its processor is just now', () => {
    expect(counterArgument(cpuinfo('constant_tsc nonstop_tsc'))).toBe('')
    expect(counterArgument('processor\t: 0\nBogoMIPS\t: 50.00\n')).toBe('')
  })
})
