import { describe, expect, it } from 'vitest'
import { backends } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const six = { backends: backends(1, 2, 3, 4, 5, 6) }
const ALL = [1, 2, 3, 4, 5, 6]
const all = (weight: number) => Object.fromEntries(ALL.map((number) => [number, weight]))

describe('failures above connect', () => {
  it('of up to half of the pool are believed', () => {
    const rig = new Rig(checked(six)).up(...ALL).sick(1, 2, 3)
    expect(rig.weights).toEqual({ ...all(1), 1: 0, 2: 0, 3: 0 })
  })

  it('of more in one round are held, those included that were believed a moment ago', () => {
    const rig = new Rig(checked(six)).up(...ALL)
    for (const number of ALL) rig.wait(500).sick(number)
    expect(rig.weights).toEqual(all(1))
    expect(rig.reasons(1)).toEqual([
      'failure held: too many of the pool fail alike at once',
      'down: http said 404',
      'service weight 1',
      'listed by static',
    ])
    expect([...rig.state.pool.ejections.held]).toHaveLength(6)
    expect(rig.mode).toBe('normal')
    rig.writes = 0
    rig.wait(3_600_000).sick(...ALL)
    expect(rig.writes).toBe(0)
  })

  it('that come one by one over a longer time are believed', () => {
    const rig = new Rig(checked(six)).up(...ALL)
    for (const number of [1, 2, 3, 4, 5]) rig.wait(8_001).sick(number)
    expect(rig.weights).toEqual({ ...all(0), 6: 1 })
  })

  it('are let go by a failure to connect, one by one', () => {
    const rig = new Rig(checked(six)).up(...ALL).sick(...ALL)
    expect(rig.down(1, 2, 3, 4).weights).toEqual({ ...all(0), 5: 1, 6: 1 })
    expect(rig.reasons(5)[0]).toMatch(/^failure held/)
  })

  it('are let go by the operator, until they pass again', () => {
    const rig = new Rig(checked(six, { panic: 'off' }))
      .up(...ALL)
      .sick(...ALL)
      .approve()
    expect(rig.weights).toEqual(all(0))
    rig.wait(1_000).sick(...ALL)
    expect(rig.weights).toEqual(all(0))
    expect(rig.up(...ALL).sick(...ALL).weights).toEqual(all(1))
  })

  it('are believed once they have been few for as long as a recovery takes', () => {
    const rig = new Rig(checked(six)).up(...ALL).sick(...ALL)
    expect(rig.up(1, 2, 3).wait(15_999).weights).toEqual(all(1))
    expect(rig.wait(1).weights).toEqual({ ...all(1), 4: 0, 5: 0, 6: 0 })
  })

  it('end one after the other without anybody going out', () => {
    const rig = new Rig(checked(six))
      .up(...ALL)
      .sick(...ALL)
      .wait(60_000)
    rig.writes = 0
    for (const number of ALL) rig.wait(1_000).up(number)
    expect([rig.writes, rig.state.pool.ejections.held.size]).toEqual([0, 0])
    expect(rig.sick(1).weights).toEqual({ ...all(1), 1: 0 })
  })

  it('that are few for a moment and then many again are held on', () => {
    const rig = new Rig(checked(six)).up(...ALL).sick(...ALL)
    rig.up(1, 2, 3).wait(10_000).sick(1).wait(10_000)
    expect(rig.weights).toEqual(all(1))
  })

  it('join what is held', () => {
    const rig = new Rig(checked(six))
      .up(...ALL)
      .sick(1, 2, 3, 4)
      .wait(60_000)
      .sick(5)
    expect(rig.weights).toEqual(all(1))
  })

  it('of one that was never up, or of the only member, are believed', () => {
    expect(new Rig(checked(six)).sick(...ALL).weights).toEqual(all(0))
    expect(new Rig(checked({ backends: backends(1) }, { panic: 'off' })).up(1).sick(1).weights).toEqual({ 1: 0 })
  })

  it('are believed one and all with max_ejection: 100%', () => {
    expect(new Rig(checked(six, { maxEjection: 100, panic: 'off' })).up(...ALL).sick(...ALL).weights).toEqual(all(0))
  })
})

describe('the first of failures above connect', () => {
  const first = { failure: 'wrong-answer', message: 'http said 404', siblingsDue: true } as const
  const wavers = { failure: 'wrong-answer', message: 'http said 404' } as const

  it('is not believed before the others were asked, and then at once', () => {
    const rig = new Rig(checked(six)).up(...ALL).found('down', [1], first)
    expect(rig.weights).toEqual(all(1))
    expect(rig.reasons(1)).toEqual([
      'failure not believed yet: more of the pool may fail alike',
      'down: http said 404',
      'service weight 1',
      'listed by static',
    ])
    expect(rig.sick(1).weights).toEqual({ ...all(1), 1: 0 })
  })

  it('is not believed while so many have begun to fail that they will be held, and then is held with them', () => {
    const rig = new Rig(checked(six))
      .up(...ALL)
      .found('up', [2, 3, 4], wavers)
      .sick(1)
    expect(rig.weights).toEqual(all(1))
    for (const number of [2, 3, 4]) rig.wait(1_000).sick(number)
    expect([...rig.state.pool.ejections.held]).toHaveLength(4)
    expect(rig.state.pool.ejections.doubted.size).toBe(0)
    expect(rig.weights).toEqual(all(1))
  })

  it('is believed once the others pass again', () => {
    const rig = new Rig(checked(six))
      .up(...ALL)
      .found('up', [2, 3, 4], wavers)
      .sick(1)
    expect(rig.wait(1_000).up(2, 3, 4).weights).toEqual({ ...all(1), 1: 0 })
    rig.wait(100).found('up', [2, 3, 4], wavers)
    expect(rig.weights).toEqual({ ...all(1), 1: 0 })
  })

  it('is believed when the others have had the time to be found down', () => {
    const rig = new Rig(checked(six)).up(...ALL).found('down', [1], first)
    expect(rig.wait(3 * 8_000 - 1).weights).toEqual(all(1))
    expect(rig.wait(1).weights).toEqual({ ...all(1), 1: 0 })
  })

  it('is believed when the operator approves, when nobody else can be asked, and with max_ejection: 100%', () => {
    const doubted = () => new Rig(checked(six)).up(...ALL).found('down', [1], first)
    expect(doubted().approve().weights).toEqual({ ...all(1), 1: 0 })
    expect(doubted().down(2, 3, 4, 5, 6).mode).toBe('panic')
    const trusting = new Rig(checked(six, { maxEjection: 100 })).up(...ALL)
    expect(trusting.found('down', [1], first).weights).toEqual({ ...all(1), 1: 0 })
  })

  it('is not doubted where it was believed before', () => {
    const rig = new Rig(checked(six)).up(...ALL).sick(1)
    expect(rig.weights).toEqual({ ...all(1), 1: 0 })
    expect(rig.found('down', [1], first).weights).toEqual({ ...all(1), 1: 0 })
  })
})

describe('wishes to be let go', () => {
  const drain = { report: { wish: 'drain' } } as const

  it.each([drain, { report: { wish: 'maintenance' } }, { report: { percent: 0 } }, { report: { weight: 0 } }] as const)(
    'of more than max_ejection in one round are held: %j',
    (asked) => {
      const rig = new Rig(checked(six)).up(...ALL)
      expect(rig.found('up', [1, 2, 3], asked).weights).toEqual({ ...all(1), 1: 0, 2: 0, 3: 0 })
      for (const number of [4, 5, 6]) rig.wait(1_000).found('up', [number], asked)
      expect(rig.weights).toEqual(all(1))
      expect(rig.reasons(6)[0]).toBe('its wish is held: too many of the pool ask to be let go, or fail, at once')
      expect([...rig.state.pool.ejections.held]).toHaveLength(6)
      rig.writes = 0
      rig.wait(3_600_000).found('up', ALL, asked)
      expect(rig.writes).toBe(0)
      expect(rig.approve().weights).toEqual(all(0))
      expect(rig.wait(60_000).weights).toEqual(all(0))
      rig.up(...ALL)
      expect(rig.weights).toEqual(all(1))
      expect(rig.found('up', ALL, asked).weights).toEqual(all(1))
    },
  )

  it('are obeyed one after the other but for the last, and to the last where they were there at a start, and with max_ejection: 100%', () => {
    const rig = new Rig(checked(six)).up(...ALL)
    for (const number of ALL) rig.wait(10_000).found('up', [number], drain)
    expect(rig.weights).toEqual({ ...all(0), 6: 1 })
    expect(rig.approve().weights).toEqual(all(0))
    expect(rig.wait(60_000).up(6).weights).toEqual({ ...all(0), 6: 1 })
    const trusting = new Rig(checked(six, { maxEjection: 100 })).up(...ALL)
    for (const number of ALL) trusting.wait(10_000).found('up', [number], drain)
    expect(trusting.weights).toEqual(all(0))
    const started = new Rig(checked(six)).found('up', ALL, drain)
    expect(started.weights).toEqual(all(0))
    expect(started.wait(60_000).found('up', ALL, { ...drain, turns: 1 }).weights).toEqual(all(0))
    const obedient = new Rig(checked(six, { maxEjection: 100 })).up(...ALL)
    expect(obedient.found('up', ALL, drain).weights).toEqual(all(0))
  })

  it('that were obeyed long ago do not make others fewer', () => {
    const rig = new Rig(checked(six)).up(...ALL)
    for (const number of [4, 5, 6]) rig.wait(10_000).found('up', [number], drain)
    expect(rig.wait(60_000).sick(1, 2).weights).toEqual({ ...all(0), 1: 1, 2: 1, 3: 1 })
  })

  it('count with those that failed in the same round and ask as soon as they answer again', () => {
    const half = () => new Rig(checked(six)).up(...ALL).sick(1, 2, 3)
    expect(half().found('up', [1, 2, 3], drain).found('up', [4], drain).weights).toEqual({ ...all(1), 1: 0, 2: 0, 3: 0 })
    expect(half().found('up', [1, 2, 3], drain).sick(4).weights).toEqual({ ...all(1), 1: 0, 2: 0, 3: 0 })
    expect(half().wait(8_001).found('up', [1, 2, 3, 4], drain).weights).toEqual({ ...all(0), 5: 1, 6: 1 })
    expect(half().up(1, 2, 3).found('up', [4], drain).weights).toEqual({ ...all(1), 4: 0 })
    const again = new Rig(checked(six))
      .up(...ALL)
      .found('up', [1, 2, 3], drain)
      .sick(1, 2, 3)
      .found('up', [1, 2, 3], drain)
    expect(again.found('up', [4], drain).weights).toEqual({ ...all(1), 1: 0, 2: 0, 3: 0 })
  })

  it('do not count with those that were dead in the same round', () => {
    const rig = new Rig(checked(six)).up(...ALL).down(1, 2, 3)
    expect(rig.found('up', [1, 2, 3], drain).found('up', [4], drain).weights).toEqual({ ...all(0), 5: 1, 6: 1 })
  })

  it('are let go when the backend dies, and held no longer by the operator', () => {
    const rig = new Rig(checked(six)).up(...ALL).found('up', ALL, drain)
    expect(rig.weights).toEqual(all(1))
    expect(rig.word(1, { state: 'drain' }).weights).toEqual({ ...all(1), 1: 0 })
    rig.found('down', [2], { ...drain, failure: 'refused', message: 'tcp refused' })
    expect(rig.weights).toEqual({ ...all(1), 1: 0, 2: 0 })
  })
})

describe('wishes that are held', () => {
  const drain = { report: { wish: 'drain' } } as const
  const dead = { ...drain, failure: 'refused', message: 'tcp refused' } as const
  const sick = { ...drain, failure: 'wrong-answer', message: 'http said 500' } as const
  const asked = (...numbers: number[]) =>
    new Rig(checked({ backends: backends(...numbers) })).up(...numbers).found('up', numbers, drain)

  it('stay held when the other of two dies: somebody serves on, for as long as both ask', () => {
    const rig = asked(1, 2)
    expect(rig.weights).toEqual({ 1: 1, 2: 1 })
    expect(rig.wait(60_000).found('down', [1], dead).weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.wait(3_600_000).weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.approve().weights).toEqual({ 1: 0, 2: 0 })
  })

  it('stay held when all others die', () => {
    const rig = asked(...ALL)
    expect(rig.found('down', [1, 2, 3, 4, 5], dead).wait(3_600_000).weights).toEqual({ ...all(0), 6: 1 })
  })

  it('are obeyed when so many ask no longer that the others are few, even if one is left', () => {
    const rig = asked(1, 2)
    expect(rig.up(1).wait(15_999).weights).toEqual({ 1: 1, 2: 1 })
    expect(rig.wait(1).weights).toEqual({ 1: 1, 2: 0 })
  })

  it('and failures that are held are believed of one that is alone beside one that serves, however small max_ejection is', () => {
    const two = () => new Rig(checked({ backends: backends(1, 2) }, { maxEjection: 10 })).up(1, 2)
    expect(two().found('up', [1, 2], drain).up(1).wait(16_000).weights).toEqual({ 1: 1, 2: 0 })
    expect(two().sick(1, 2).up(1).wait(16_000).weights).toEqual({ 1: 1, 2: 0 })
  })

  it('of the last one that can serve are held on, whatever else is wrong with the others', () => {
    const three = () => new Rig(checked({ backends: backends(1, 2, 3) }, { panic: 'off' })).up(1, 2)
    expect(three().sick(1, 2).sick(3).down(1).wait(60_000).weights).toEqual({ 1: 0, 2: 1, 3: 0 })
    expect(three().found('up', [1, 2], drain).sick(3).down(1).wait(60_000).weights).toEqual({ 1: 0, 2: 1, 3: 0 })
  })

  it.each([0, 1_000, 3_600_000])('keep nobody in who fails by itself, %i ms after that', (later) => {
    const rig = asked(...ALL)
      .wait(later)
      .found('down', [3], sick)
    expect(rig.weights).toEqual({ ...all(1), 3: 0 })
    expect(rig.reasons(3)[0]).toBe('down: http said 500')
    expect(rig.reasons(1)[0]).toMatch(/^its wish is held/)
    expect(rig.wait(3_600_000).found('down', [4], sick).weights).toEqual({ ...all(1), 3: 0, 4: 0 })
    expect(rig.found('up', [3], drain).weights).toEqual({ ...all(1), 4: 0 })
  })

  it('are one thing and failures that are held another', () => {
    const rig = asked(...ALL)
      .wait(60_000)
      .found('down', [1, 2, 3, 4], sick)
    expect(rig.weights).toEqual(all(1))
    expect(rig.reasons(1).slice(0, 2)).toEqual(['failure held: too many of the pool fail alike at once', 'down: http said 500'])
    expect(rig.reasons(5)[0]).toMatch(/^its wish is held/)
    rig.up(...ALL).wait(60_000)
    expect([...rig.state.pool.ejections.held]).toEqual([])
  })

  it('of one that falls again and again keep it in no more than it would be otherwise', () => {
    const rig = new Rig(checked(six, { damping: { halfLife: 60_000 } })).up(...ALL)
    for (let fall = 0; fall < 3; fall++) rig.down(1).up(1)
    expect(rig.found('up', ALL, drain).weights).toEqual({ ...all(1), 1: 0 })
  })
})

describe('the wish of the last one that can serve', () => {
  const drain = { report: { wish: 'drain' } } as const
  const four = { backends: backends(1, 2, 3, 4) }

  it('is held, says why, and is obeyed once approved', () => {
    const rig = new Rig(checked({ backends: backends(1) })).up(1).found('up', [1], drain)
    expect(rig.weights).toEqual({ 1: 1 })
    expect(rig.reasons(1)[0]).toBe('its wish is held until somebody else has served for a while')
    expect([...rig.state.pool.ejections.held]).toHaveLength(1)
    rig.writes = 0
    rig.wait(3_600_000).found('up', [1], drain)
    expect(rig.writes).toBe(0)
    expect(rig.approve().weights).toEqual({ 1: 0 })
    expect(rig.wait(60_000).weights).toEqual({ 1: 0 })
  })

  it('is obeyed when another has served for as long as a recovery takes', () => {
    const rig = new Rig(checked({ backends: backends(1, 2) })).up(1).down(2).found('up', [1], drain)
    expect(rig.weights).toEqual({ 1: 1, 2: 0 })
    expect(rig.up(2).wait(15_999).weights).toEqual({ 1: 1, 2: 1 })
    expect(rig.wait(1).weights).toEqual({ 1: 0, 2: 1 })
  })

  it('is held beside one that nobody has seen at work, until that serves', () => {
    const rig = new Rig(checked({ backends: backends(1) })).up(1).configure(checked({ backends: backends(1, 2) }))
    expect(rig.weights).toEqual({ 1: 1, 2: 0 })
    expect(rig.found('up', [1], drain).weights).toEqual({ 1: 1, 2: 0 })
    expect(rig.wait(32_000).weights).toEqual({ 1: 1, 2: 1 })
    expect(rig.wait(16_000).weights).toEqual({ 1: 0, 2: 1 })
  })

  it('is held when the others fail, or are kept out by the operator', () => {
    const rig = new Rig(checked(four)).up(1, 2, 3, 4)
    for (const number of [1, 2]) rig.wait(10_000).sick(number)
    rig.word(3, { state: 'drain' }).wait(10_000)
    expect(rig.found('up', [4], drain).weights).toEqual({ 1: 0, 2: 0, 3: 0, 4: 1 })
    expect(rig.mode).toBe('normal')
  })

  it('is taken back when the others die, those that asked last first, and obeyed again when somebody is up', () => {
    const rig = new Rig(checked(four)).up(1, 2, 3, 4)
    for (const number of [1, 2]) rig.wait(10_000).found('up', [number], drain)
    expect(rig.wait(3_600_000).down(3).weights).toEqual({ 1: 0, 2: 0, 3: 0, 4: 1 })
    expect(rig.down(4).weights).toEqual({ 1: 0, 2: 1, 3: 0, 4: 0 })
    expect(rig.mode).toBe('normal')
    expect(rig.wait(60_000).down(2).weights).toEqual({ 1: 1, 2: 0, 3: 0, 4: 0 })
    expect(rig.up(4).wait(16_000).weights).toEqual({ 1: 0, 2: 0, 3: 0, 4: 1 })
  })

  it('does not bring back who asked later and fails', () => {
    const rig = new Rig(checked({ backends: backends(1, 2, 3) })).up(1, 2, 3).found('up', [1], drain).wait(30_000)
    rig.found('down', [2], { ...drain, failure: 'wrong-answer', message: 'http said 503' })
    expect(rig.wait(30_000).down(3).weights).toEqual({ 1: 1, 2: 0, 3: 0 })
    expect(rig.reasons(2)[0]).toBe('the backend asks for drain')
    expect(rig.word(3, { state: 'drain' }).weights).toEqual({ 1: 1, 2: 0, 3: 0 })
    expect(rig.reasons(2)[0]).toBe('the backend asks for drain')
  })

  it('of two who asked at once is obeyed again of both', () => {
    const rig = new Rig(checked(four)).up(1, 2, 3, 4).found('up', [1, 2], drain).wait(3_600_000)
    expect(rig.down(3, 4).weights).toEqual({ 1: 1, 2: 1, 3: 0, 4: 0 })
    expect(rig.up(4).wait(16_000).weights).toEqual({ 1: 0, 2: 0, 3: 0, 4: 1 })
  })

  it('is one of many when others ask at once before that', () => {
    const rig = new Rig(checked(six)).up(1, 2).down(3, 4, 5, 6).wait(60_000)
    rig.found('up', [1], drain).wait(10_000).found('up', [2], drain)
    expect(rig.weights).toEqual({ ...all(0), 2: 1 })
    rig.up(3, 4, 5, 6).wait(1_000).found('up', [3, 4, 5], drain)
    expect(rig.weights).toEqual({ ...all(1), 1: 0 })
    expect(rig.wait(3_600_000).weights).toEqual({ ...all(1), 1: 0 })
  })

  it('of one that asked before it was up here is obeyed', () => {
    const rig = new Rig(checked({ backends: backends(1, 2) })).found('up', [1], drain).up(2)
    expect(rig.found('up', [2], drain).weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.down(2).weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.mode).toBe('panic')
  })
})

describe('what was believed of a part of the pool', () => {
  const drain = { report: { wish: 'drain' } } as const
  const four = { backends: backends(1, 2, 3, 4) }
  const left = { 1: 0, 2: 0, 4: 1 }

  it.each([
    ['fails', (rig: Rig) => rig.sick(1, 2)],
    ['asks to be let go', (rig: Rig) => rig.found('up', [1, 2], drain)],
  ])('and %s is believed on when the others become fewer', (_, turn) => {
    const rig = () => turn(new Rig(checked(four)).up(1, 2, 3, 4)).wait(3_600_000)
    expect(rig().down(3).weights).toEqual({ ...left, 3: 0 })
    expect(rig().word(3, { state: 'drain' }).weights).toEqual({ ...left, 3: 0 })
    expect(rig().configure(checked({ backends: backends(1, 2, 4) })).weights).toEqual(left)
  })

  it('is not believed where others die within the same round', () => {
    const rig = new Rig(checked(four)).up(1, 2, 3, 4).sick(1, 2).wait(1_000).down(3)
    expect(rig.weights).toEqual({ 1: 1, 2: 1, 3: 0, 4: 1 })
  })

  it('is believed of those that were dead and answer wrongly while they begin', () => {
    const rig = new Rig(checked(six))
      .up(...ALL)
      .down(1, 2, 3, 4)
      .wait(30_000)
    expect(rig.sick(1, 2, 3, 4).weights).toEqual({ ...all(0), 5: 1, 6: 1 })
    expect(rig.wait(8_000).sick(5).weights).toEqual({ ...all(0), 6: 1 })
  })
})

it('whoever was let go by his wish and fails then takes nothing from those who are left', () => {
  const drain = { report: { wish: 'drain' } } as const
  const rig = new Rig(checked(six)).up(...ALL).found('up', [1, 2, 3], drain)
  rig.wait(60_000).found('down', [1, 2, 3], { ...drain, failure: 'wrong-answer', message: 'http said 503' })
  expect(rig.wait(1_000).sick(4).weights).toEqual({ ...all(1), 1: 0, 2: 0, 3: 0, 4: 0 })
})

it('a rack that dies is believed at once', () => {
  expect(new Rig(checked(six)).up(...ALL).down(1, 2, 3, 4, 5).weights).toEqual({ ...all(0), 6: 1 })
})

it('members that the operator keeps out are not part of the pool', () => {
  const rig = new Rig(checked(six)).up(...ALL)
  for (const number of [3, 4, 5, 6]) rig.word(number, { state: 'drain' })
  expect(rig.sick(1).weights).toMatchObject({ 1: 0, 2: 1 })
  expect(rig.sick(2).weights).toMatchObject({ 1: 1, 2: 1 })
})
