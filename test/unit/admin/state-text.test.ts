import { describe, expect, test } from 'vitest'
import { type BackendStates, type ServiceStates, stateText } from '../../../src/admin/state-text.ts'
import { parseExposition, sampleOf } from './exposition-parser.ts'
import { WEB } from './readings.ts'

const WELL: BackendStates = {
  backend: '10.0.1.1:8080',
  admin: 'ready',
  discovered: 'passing',
  operational: 'up',
  certificates: new Map([
    ['https', 40],
    ['tls', -1],
  ]),
}
const ILL: BackendStates = {
  backend: '10.0.1.2:8080',
  admin: 'drain',
  discovered: 'held',
  operational: 'down',
  certificates: new Map(),
}

async function piecesOf(...services: ServiceStates[]): Promise<string[]> {
  const pieces: string[] = []
  for await (const piece of stateText(services)) pieces.push(piece)
  return pieces
}

describe('states of backends', () => {
  test('each backend has one series of each state, with the labels of its other series', async () => {
    const families = parseExposition((await piecesOf({ name: 'web', identity: WEB, backends: [WELL, ILL] })).join(''))
    const labels = { service: 'web', vip: '10.0.0.1:80', protocol: 'tcp' }
    const states = (name: string) =>
      families.get(`pointsman_backend_${name}_state`)?.samples.map((each) => [each.labels, each.value])
    expect(states('admin')).toEqual([
      [{ ...labels, backend: '10.0.1.1:8080', state: 'ready' }, 1],
      [{ ...labels, backend: '10.0.1.2:8080', state: 'drain' }, 1],
    ])
    expect(states('discovered')?.map(([each]) => (each as Record<string, string>)['state'])).toEqual(['passing', 'held'])
    expect(states('operational')?.map(([each]) => (each as Record<string, string>)['state'])).toEqual(['up', 'down'])
    const days = (check: string) => sampleOf(families, 'pointsman_certificate_days', { ...labels, backend: WELL.backend, check })
    expect([days('https'), days('tls')]).toEqual([40, -1])
    expect(families.get('pointsman_certificate_days')?.samples).toHaveLength(2)
  })

  test('a family without series is not there', async () => {
    expect((await piecesOf({ name: 'web', identity: WEB, backends: [ILL] })).join('')).not.toContain('certificate')
    expect(await piecesOf({ name: 'web', identity: WEB, backends: [] })).toEqual([])
  })

  test('comes in pieces, each family with one header', async () => {
    const backends = Array.from({ length: 1_200 }, (_, index) => ({ ...ILL, backend: `10.0.${index >> 8}.${index & 255}:80` }))
    const pieces = await piecesOf({ name: 'web', identity: WEB, backends })
    expect(pieces).toHaveLength(9)
    const families = parseExposition(pieces.join(''))
    expect([...families.values()].map(({ samples }) => samples.length)).toEqual([1_200, 1_200, 1_200])
    expect(pieces.join('').match(/^# TYPE/gm)).toHaveLength(3)
  })
})
