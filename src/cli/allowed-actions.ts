import { PointsmanError } from '../errors.ts'
import { ACTIONS, type Action } from '../sinks/ipvs/actions.ts'

const MEANING: Readonly<Record<Action, string>> = {
  as: 'add a service',
  us: 'update a service',
  ds: 'delete a service',
  ad: 'add a destination',
  ud: 'update a destination',
  dd: 'delete or drain a destination',
}

/** Reads `as,us,ds,ad,ud,dd` or `*`; rejects with BAD_INPUT what is neither, the empty list included. */
export function parseAllowedActions(text: string): ReadonlySet<Action> | 'all' {
  const tokens = text.split(',').map((token) => token.trim())
  if (tokens.length === 1 && tokens[0] === '*') return 'all'
  const allowed = new Set<Action>()
  for (const token of tokens) {
    const action = ACTIONS.find((each) => each === token)
    if (action === undefined) throw unknownAction(token)
    allowed.add(action)
  }
  return allowed
}

function unknownAction(token: string): PointsmanError {
  const list = ACTIONS.map((action) => `${action} (${MEANING[action]})`).join(', ')
  const what = token === '' ? 'An empty action' : token === '*' ? '* beside other actions' : `"${token}"`
  return new PointsmanError('BAD_INPUT', `${what} is not an allowed action: write * alone, or a list of ${list}.`)
}
