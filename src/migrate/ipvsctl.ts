import type { Document } from '../document/document.ts'
import { Fields } from './fields.ts'
import { type Imported, type ImportedBackend, type ImportedService, type LeftOut, present, type Written } from './imported.ts'
import { withPortThatCounts } from './ports.ts'

interface Defaults {
  readonly port: unknown
  readonly scheduler: unknown
  readonly forward: unknown
  readonly weight: unknown
}

/** Documents that `ipvsctl` was started with. */
export interface ParameterDocuments {
  readonly files: readonly string[]
  readonly urls: readonly string[]
}

/** What a model of ipvsctl comes to (its doc/model.md). Parameters stay as they are written. */
export function importIpvsctl(document: Document, { files, urls }: ParameterDocuments): Imported {
  const left: LeftOut[] = []
  const top = new Fields(document, [], document.value)
  const written = top.inner('defaults')
  const defaults: Defaults = {
    port: written.take('port'),
    scheduler: written.take('sched'),
    forward: written.take('forward'),
    weight: written.take('weight'),
  }
  const services = top.list('services').flatMap((service) => readService(service, defaults, left) ?? [])
  left.push(...written.others({}), ...top.others({}))
  return {
    head: [
      'Made by `pointsman import ipvsctl`. What could not be carried over was listed on standard error.',
      'ipvsctl asks no backend. Remove health_check from defaults, and TCP services are probed.',
      'ipvsctl removes every service that it does not name; here those of others are left alone.',
      ...(lacksDocuments(document.value, [...files, ...urls])
        ? ['Its parameters are in documents: import it again with --params-file or --params-url, as ipvsctl is started.']
        : []),
    ],
    ...((files.length > 0 || urls.length > 0) && {
      parameters: { ...(files.length > 0 && { files }), ...(urls.length > 0 && { urls }) },
    }),
    global: {},
    defaults: present({ weight: defaults.weight, health_check: { type: 'none' } }),
    places: new Map([['defaults.weight', written.place('weight')]]),
    services,
    leftOut: left,
  }
}

/** Whether parameters stand for entries of documents, and none is named. */
function lacksDocuments(model: unknown, documents: readonly string[]): boolean {
  return documents.length === 0 && /\$\{(?!env\.|host\.)[\w.[\]]*[.[]/.test(JSON.stringify(model))
}

function readService(fields: Fields, defaults: Defaults, left: LeftOut[]): ImportedService | undefined {
  const address = fields.text('address')
  const identity = address === undefined ? undefined : identityOf(address, defaults.port)
  const scheduler = fields.take('sched') ?? defaults.scheduler ?? 'rr'
  const destinations = fields.list('destinations')
  if (address === undefined || identity === undefined) {
    const [reason, remedy] = [
      'this is neither tcp://, udp:// or sctp:// with an address nor fwmark:',
      'write the service that is meant',
    ]
    left.push(
      fields.has('address')
        ? fields.leftOut('address', reason, remedy)
        : { ...fields.place(), directive: 'service', reason, remedy },
    )
    return undefined
  }
  const port = String(identity['listen'] ?? '')
    .split(':')
    .at(-1)
  const backends = destinations
    .flatMap((destination) => readDestination(destination, port, defaults, left) ?? [])
    .map((backend) => withPortThatCounts(backend, identity['listen'], backend.written['forwarding']))
  const read: ImportedService = {
    place: fields.place(),
    written: { name: nameOf(identity), ...identity, scheduler },
    backends,
    notes: [],
  }
  left.push(...fields.others({}))
  return read
}

/** As the service is called everywhere else. */
function nameOf({ listen, protocol, fwmark }: Written): string {
  return listen === undefined ? `fwmark/${String(fwmark)}/ipv4` : `${String(protocol)}/${String(listen)}`
}

/** `tcp://1.2.3.4:80`, with a parameter in the place of any part, or `fwmark:7`. */
function identityOf(address: string, usualPort: unknown): Written | undefined {
  const mark = /^fwmark:(?:\/\/)?(.+)$/.exec(address)?.[1]
  if (mark !== undefined) return { fwmark: /^\d+$/.test(mark) ? Number(mark) : mark }
  const [, protocol, listen] = /^(tcp|udp|sctp):\/\/(.+)$/.exec(address) ?? []
  if (protocol === undefined || listen === undefined) return undefined
  return { listen: withPort(listen, usualPort), protocol }
}

/** A colon within a parameter begins no port. */
function withPort(endpoint: string, port: unknown): string {
  const bare = endpoint.replaceAll(/\$\{[^}]*\}/g, (parameter) => parameter.replaceAll(':', '_'))
  return bare.includes(':') || port === undefined ? endpoint : `${endpoint}:${String(port)}`
}

function readDestination(
  fields: Fields,
  servicePort: string | undefined,
  defaults: Defaults,
  left: LeftOut[],
): ImportedBackend | undefined {
  const address = fields.text('address')
  const weight = fields.take('weight')
  const forward = fields.take('forward') ?? defaults.forward ?? 'direct'
  if (address === undefined) {
    left.push({
      ...fields.place(),
      directive: 'destination',
      reason: 'it has no address',
      remedy: 'write the backend that is meant',
    })
    return undefined
  }
  const place = fields.place()
  left.push(...fields.others({}))
  const port = defaults.port ?? (servicePort === '' ? 0 : servicePort)
  return {
    place,
    written: present({ address: withPort(address, port), weight, forwarding: forward === 'nat' ? undefined : forward }),
    notes: [],
  }
}
