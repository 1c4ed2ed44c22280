import type { LeftOut } from '../imported.ts'
import { httpChecks } from './http-checks.ts'
import { execCheck } from './misc-check.ts'
import { type Counterparts, unknown } from './notes.ts'
import { type Check, CONNECTION, checkOf, readOptions, type Surroundings, tellOthers } from './options.ts'
import { type Timing, type Usual, writeTiming } from './timing.ts'
import type { Directive } from './tree.ts'
import { udpSection } from './udp-check.ts'

const CONNECT: Usual = { retry: 1, delayBeforeRetry: 1_000 }

const NO_COUNTERPART: Counterparts = {
  PING_CHECK: ['there is no probe by ICMP', 'write health_check: with a kind that asks the service itself, or exec: with ping'],
  BFD_CHECK: ['there is no BFD here', 'write health_check: with a short interval'],
  FILE_CHECK: ['no file sets weights', 'write exec: { command: [...], dynamic: true }, or use pointsman weight'],
}

/** The checks that a checker of a real server comes to; several where it asks for several pages or hosts. */
export function readChecker(directive: Directive, around: Surroundings, notes: LeftOut[]): readonly Check[] {
  const block = directive.block ?? []
  switch (directive.name) {
    case 'HTTP_GET':
    case 'SSL_GET':
      return httpChecks(directive, around, notes)
    case 'TCP_CHECK':
      return connectCheck(directive, around, notes)
    case 'SMTP_CHECK':
      return smtpChecks(directive, around, notes)
    case 'DNS_CHECK':
      return dnsCheck(directive, around, notes)
    case 'MISC_CHECK':
      return execCheck(directive, around, notes)
    case 'UDP_CHECK': {
      const options = readOptions(block, around.timing)
      const udp = udpSection(options.others, notes, CONNECTION)
      return [checkOf(directive, options, around, { ...writeTiming(options.timing, CONNECT), udp })]
    }
    default:
      notes.push(unknown(directive, NO_COUNTERPART))
      return []
  }
}

function connectCheck(directive: Directive, around: Surroundings, notes: LeftOut[]): readonly Check[] {
  const options = readOptions(directive.block ?? [], around.timing)
  tellOthers(options.others, notes)
  return [checkOf(directive, options, around, { type: 'tcp', ...writeTiming(options.timing, CONNECT) })]
}

/** Every `host` is asked, each in a check of its own. */
function smtpChecks(directive: Directive, around: Surroundings, notes: LeftOut[]): readonly Check[] {
  const options = readOptions(directive.block ?? [], around.timing)
  const helo = options.others.find(({ name }) => name === 'helo_name')?.words[0]
  const hosts = options.others.filter(({ name, block }) => name === 'host' && block !== undefined)
  tellOthers(
    options.others.filter((other) => other.name !== 'helo_name' && !hosts.includes(other)),
    notes,
  )
  const smtp = helo === undefined ? {} : { helo }
  const written = (timing: Timing) => ({ ...writeTiming(timing, CONNECT), smtp })
  if (hosts.length === 0) return [checkOf(directive, options, around, written(options.timing))]
  return hosts.map((host) => {
    const own = readOptions(host.block ?? [], options.timing)
    tellOthers(own.others, notes)
    const connection = { ...options.connection, ...own.connection }
    return checkOf(host, { ...own, connection }, around, written(own.timing))
  })
}

function dnsCheck(directive: Directive, around: Surroundings, notes: LeftOut[]): readonly Check[] {
  const options = readOptions(directive.block ?? [], around.timing)
  const word = (key: string) => options.others.find(({ name }) => name === key)?.words[0]
  tellOthers(
    options.others.filter(({ name }) => name !== 'type' && name !== 'name'),
    notes,
  )
  const dns = { name: word('name') ?? '.', type: (word('type') ?? 'SOA').toUpperCase() }
  return [checkOf(directive, options, around, { ...writeTiming(options.timing, { retry: 3 }), dns })]
}
