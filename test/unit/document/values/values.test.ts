import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Grammar } from '../../../../src/document/reading.ts'
import { choice, line, percent, truth } from '../../../../src/document/values/choice.ts'
import { duration, formatDuration } from '../../../../src/document/values/duration.ts'
import { address, endpoint } from '../../../../src/document/values/endpoint.ts'
import { integer } from '../../../../src/document/values/integer.ts'

/** What a grammar makes of a raw value: the value, or `problem; remedy`. */
function reading<T>(grammar: Grammar<T>, raw: unknown): T | string {
  const result = grammar.read(raw)
  return result.ok ? result.value : `${result.problem}; ${result.remedy}`
}

describe('endpoint', () => {
  it.each([
    ['10.0.0.1:80', '10.0.0.1', 80],
    ['[2001:DB8:0:0:0:0:0:1]:8080', '2001:db8::1', 8080],
    ['[::ffff:10.0.0.1]:80', '10.0.0.1', 80],
    ['10.0.0.1:0', '10.0.0.1', 0],
    ['10.0.0.1:65535', '10.0.0.1', 65535],
  ])('reads %s', (text, ip, port) => {
    expect(reading(endpoint, text)).toEqual({ address: ip, port })
  })

  const write = 'write an IP address and a port, such as 10.0.0.1:80 or "[2001:db8::1]:80"'
  const range = 'write a port from 1 to 65535'
  it.each([
    ['10.0.0.1:65536', `port 65536 is above 65535; ${range}`],
    ['10.0.0.1:http', `port "http" is not a number; ${range}; names of ports such as http are not looked up`],
    ['10.0.0.1:080', 'port 080 has a leading zero; write 80'],
    ['10.0.0.1:-1', `port -1 is negative; ${range}`],
    ['10.0.0.1:80.5', `port "80.5" is not a number; ${range}; names of ports such as http are not looked up`],
    ['10.0.0.1:', `the port behind the colon is missing; ${range}`],
    ['10.0.0.1', '"10.0.0.1" has no port; write it behind a colon, such as 10.0.0.1:80'],
    [
      'web1.example.com:80',
      '"web1.example.com" is a name where an address is due; write the IP address; backends with a name come from source: { dns: { name: ..., port: ... } }',
    ],
    [
      'localhost:80',
      '"localhost" is a name where an address is due; write the IP address; backends with a name come from source: { dns: { name: ..., port: ... } }',
    ],
    [
      '010.0.0.1:80',
      '"010.0.0.1" is not an IPv4 address; write four numbers from 0 to 255 without leading zeros, such as 10.0.0.1',
    ],
    [
      '10.0.0.256:80',
      '"10.0.0.256" is not an IPv4 address; write four numbers from 0 to 255 without leading zeros, such as 10.0.0.1',
    ],
    ['[10.0.0.1]:80', '10.0.0.1 is an IPv4 address in brackets; write 10.0.0.1 without the brackets'],
    ['[2001:db8::g]:80', '"2001:db8::g" is not an IPv6 address; write an IPv6 address, such as 2001:db8::1'],
    ['[fe80::1%eth0]:80', '"fe80::1%eth0" has a zone; write the address without % and what follows; IPVS knows no zones'],
    [
      '2001:db8::1',
      '"2001:db8::1" is an IPv6 address without brackets and port; write "[2001:db8::1]:80" with the port that is meant',
    ],
    ['2001:db8:0:0:0:0:0:1:80', '"2001:db8:0:0:0:0:0:1:80" is an IPv6 address without brackets; write "[2001:db8::1]:80"'],
    [' 10.0.0.1:80', '" 10.0.0.1:80" begins or ends with a blank; remove the blanks'],
    ['http://10.0.0.1:80', `"http://10.0.0.1:80" begins with a scheme; ${write}, without http://`],
    [':80', `the address in front of the port is missing; ${write}`],
    ['', `the text is empty; ${write}`],
    [80, `80 is not an address with a port; ${write}`],
    [null, `nothing is written here; ${write}`],
    [['10.0.0.1:80'], `a list is not an address with a port; ${write}`],
  ])('refuses %j', (raw, sentence) => {
    expect(reading(endpoint, raw)).toBe(sentence)
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.anything()), (raw) => {
        const result = endpoint.read(raw)
        expect(result.ok || result.problem !== '').toBe(true)
      }),
    )
  })
})

it('address takes one address alone', () => {
  expect(reading(address, '2001:DB8::1')).toBe('2001:db8::1')
  expect(reading(address, '10.0.0.9:80')).toBe('"10.0.0.9:80" is more than an address; write the address alone, without a port')
  expect(reading(address, 'gateway')).toBe(
    '"gateway" is a name where an address is due; write the IP address; backends with a name come from source: { dns: { name: ..., port: ... } }',
  )
  expect(reading(address, 9)).toBe('9 is not an IP address; write an IP address, such as 10.0.0.9')
})

describe('duration', () => {
  const plain = duration({ min: 1000, max: 3_600_000 })
  const zeroable = duration({ min: 0, max: 60_000 })

  it.each([
    ['5s', 5000],
    ['1500ms', 1500],
    ['1m30s', 90_000],
    ['1h', 3_600_000],
    ['1.5s', 1500],
  ])('reads %s', (text, milliseconds) => {
    expect(reading(plain, text)).toBe(milliseconds)
  })

  it('takes zero only where zero means something', () => {
    for (const zero of [0, '0', '0s', '0ms']) expect(reading(zeroable, zero)).toBe(0)
    expect(reading(plain, 0)).toBe('0 is below 1s; write a duration from 1s to 1h')
    expect(reading(plain, '0s')).toBe('0s is below 1s; write a duration from 1s to 1h')
  })

  it.each([
    [30, '30 has no unit; write 30s for seconds or 30ms for milliseconds'],
    ['30', '30 has no unit; write 30s for seconds or 30ms for milliseconds'],
    ['-5s', '-5s is negative; write a duration from 1s to 1h'],
    [-5, '-5 is negative; write a duration from 1s to 1h'],
    ['2h', '2h is above 1h; write a duration from 1s to 1h'],
    ['5 s', '"5 s" is not a duration; write a duration from 1s to 1h, such as 5s, 500ms or 1m30s'],
    ['5d', '"5d" is not a duration; write a duration from 1s to 1h, such as 5s, 500ms or 1m30s'],
    ['soon', '"soon" is not a duration; write a duration from 1s to 1h, such as 5s, 500ms or 1m30s'],
    ['1000.5ms', '1000.5ms is finer than a millisecond; write whole milliseconds'],
    [true, 'true is not a duration; write a duration from 1s to 1h, such as 5s, 500ms or 1m30s'],
    [null, 'nothing is written here; write a duration from 1s to 1h, such as 5s, 500ms or 1m30s'],
  ])('refuses %j', (raw, sentence) => {
    expect(reading(plain, raw)).toBe(sentence)
  })

  it('asks for whole seconds where the kernel counts in them', () => {
    const seconds = duration({ min: 1000, max: 60_000, wholeSeconds: true })
    expect(reading(seconds, '1500ms')).toBe(
      '1500ms is not whole seconds, which is what the kernel counts in; write a duration from 1s to 1m',
    )
  })

  it('is written so that it reads back', () => {
    const any = duration({ min: 0, max: Number.MAX_SAFE_INTEGER })
    fc.assert(
      fc.property(fc.nat({ max: 10_000_000_000 }), (milliseconds) => {
        expect(reading(any, formatDuration(milliseconds))).toBe(milliseconds)
      }),
    )
  })
})

it('integer', () => {
  const weight = integer('a weight', 0, 65535)
  expect(reading(weight, 0)).toBe(0)
  expect(reading(weight, 65535)).toBe(65535)
  expect(reading(weight, 65536)).toBe('65536 is above 65535; write a weight from 0 to 65535')
  expect(reading(weight, -1)).toBe('-1 is below 0; write a weight from 0 to 65535')
  expect(reading(weight, 1.5)).toBe('1.5 is not a whole number; write a weight from 0 to 65535')
  expect(reading(weight, Number.NaN)).toBe('NaN is not a whole number; write a weight from 0 to 65535')
  expect(reading(weight, '5')).toBe('"5" is not a number; write a weight from 0 to 65535, without quotes or other characters')
  expect(reading(weight, '12abc')).toBe(
    '"12abc" is not a number; write a weight from 0 to 65535, without quotes or other characters',
  )
  expect(reading(weight, true)).toBe('true is not a number; write a weight from 0 to 65535')
  expect(reading(weight, null)).toBe('nothing is written here; write a weight from 0 to 65535')
})

it('choice', () => {
  const scheduler = choice(['rr', 'wrr', 'wlc', 'sh'], { roundrobin: 'rr' })
  expect(reading(scheduler, 'wrr')).toBe('wrr')
  expect(reading(scheduler, 'wrrr')).toBe('"wrrr" is not known; did you mean wrr? Otherwise write rr, wrr, wlc or sh')
  expect(reading(scheduler, 'RoundRobin')).toBe('"RoundRobin" is not known; did you mean rr? Otherwise write rr, wrr, wlc or sh')
  expect(reading(scheduler, 'something')).toBe('"something" is not known; write rr, wrr, wlc or sh')
  expect(reading(scheduler, 7)).toBe('7 is not one of the known words; write rr, wrr, wlc or sh')
})

it('truth, percent and line', () => {
  expect(reading(truth, false)).toBe(false)
  expect(reading(truth, 'yes')).toBe('"yes" is not true or false; write true or false, without quotes')
  expect(reading(percent, '34%')).toBe(34)
  expect(reading(percent, 34)).toBe('34 has no percent sign; write a share from 1% to 100%')
  expect(reading(percent, '101%')).toBe('101% is not between 1% and 100%; write a share from 1% to 100%')
  expect(reading(percent, '0%')).toBe('0% is not between 1% and 100%; write a share from 1% to 100%')
  const name = line('a name', 10)
  expect(reading(name, 'web 1')).toBe('web 1')
  expect(reading(name, 80)).toBe('80 is not text; put it in quotes: "80"')
  expect(reading(name, '')).toBe('the text is empty; write a name')
  expect(reading(name, ' web')).toBe('" web" begins or ends with a blank; remove the blanks')
  expect(reading(name, 'a\nb')).toBe('the text holds line breaks or control characters; write a name on one line')
  expect(reading(name, 'abcdefghijk')).toBe('the text has 11 characters; write a name of at most 10')
})
