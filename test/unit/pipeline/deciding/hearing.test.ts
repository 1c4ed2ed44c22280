import { expect, it } from 'vitest'
import { backends } from '../makers.ts'
import { checked, Rig } from './rig.ts'

it('what waits for the debounce is not judged before it passes, and is judged then', () => {
  const rig = new Rig(checked({ backends: backends(1, 2, 3), debounce: { min: 500, max: 2_000 } })).wait(1_000).up(1, 2, 3)
  const { pool } = rig.wait(100).state
  rig.down(1).wait(100).up(1).wait(100).down(1)
  expect(rig.state.pool).toBe(pool)
  expect(rig.wait(499).weights).toEqual({ 1: 1, 2: 1, 3: 1 })
  expect(rig.wait(1).weights).toEqual({ 1: 0, 2: 1, 3: 1 })
})
