import { describe, expect, it } from 'vitest'
import { firstQuestion, redirected } from '../../../src/health/http-question.ts'
import { requestTarget, routeOf } from '../../../src/health/http-route.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import type { HttpProbeSpec } from '../../../src/model/probe-spec.ts'

const target = { address: '2001:db8::1' as IpAddress, port: 8080 }
const USUAL: HttpProbeSpec = {
  kind: 'http',
  version: '1.1',
  method: 'GET',
  path: '/a/b?c=d',
  headers: {},
  status: [],
  redirects: 'accept',
}
const tls = { verify: true }

const line = (spec: Partial<HttpProbeSpec>) => {
  const whole = { ...USUAL, ...spec }
  const route = routeOf(target, whole)
  const question = firstQuestion(target, whole)
  return [route.hop.address, route.hop.port, route.tunnel, requestTarget(route, question), question.authority]
}

describe('a request', () => {
  it.each<[string, Partial<HttpProbeSpec>, readonly unknown[]]>([
    ['directly', {}, ['2001:db8::1', 8080, undefined, '/a/b?c=d', '[2001:db8::1]:8080']],
    ['with a host', { host: 'www.example' }, ['2001:db8::1', 8080, undefined, '/a/b?c=d', 'www.example']],
    [
      'through a proxy',
      { host: 'www.example', proxy: { through: 'http://10.0.0.5:3128' } },
      ['10.0.0.5', 3128, undefined, 'http://[2001:db8::1]:8080/a/b?c=d', 'www.example'],
    ],
    [
      'through a proxy at port 80, over TLS',
      { tls, proxy: { through: 'http://[2001:db8::5]:80' } },
      ['2001:db8::5', 80, '[2001:db8::1]:8080', '/a/b?c=d', '[2001:db8::1]:8080'],
    ],
    [
      'to a proxy',
      { host: 'www.example', path: '/x', proxy: { url: 'http://www.example/x' } },
      ['2001:db8::1', 8080, undefined, 'http://www.example/x', 'www.example'],
    ],
    [
      'to a proxy, over TLS',
      { tls, host: 'www.example', path: '/x', proxy: { url: 'https://www.example/x' } },
      ['2001:db8::1', 8080, 'www.example:443', '/x', 'www.example'],
    ],
  ])('%s', (_, spec, expected) => {
    expect(line(spec)).toEqual(expected)
  })
})

describe('a redirect', () => {
  const question = firstQuestion(target, { ...USUAL, host: 'www.example', method: 'POST' })

  it.each<[number, string, string | undefined]>([
    [302, '/x', 'POST /x'],
    [302, 'x?y', 'POST /a/x?y'],
    [303, '../x', 'GET /x'],
    [302, 'http://www.example/x', 'POST /x'],
    [302, 'http://www.example:80/x', 'POST /x'],
    [302, 'http://[2001:db8::1]:8080/x', 'POST /x'],
    [302, 'http://www.example:8080/x', undefined],
    [302, 'https://www.example/x', undefined],
    [302, '//shop.example/x', undefined],
    [302, 'http://', undefined],
  ])('%i to %s', (status, location, next) => {
    const found = redirected(question, { status, location }, target)
    expect(found && `${found.method} ${found.path}`).toBe(next)
    expect(found?.authority).toBe(next && 'www.example')
  })
})
