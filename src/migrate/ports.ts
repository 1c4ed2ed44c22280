import type { ImportedBackend } from './imported.ts'

const PORT = /:(\d+)$/

/**
 * The backend with the port of its service where packets keep that port: the kernel takes another one in silence and does not use it.
 * `forwarding` is undefined for NAT, which alone translates ports; `listen` is undefined for firewall marks.
 */
export function withPortThatCounts(backend: ImportedBackend, listen: unknown, forwarding: unknown): ImportedBackend {
  const [, servicePort] = PORT.exec(String(listen ?? '')) ?? []
  const address = String(backend.written['address'])
  const [, port] = PORT.exec(address) ?? []
  if (forwarding === undefined || servicePort === undefined || port === undefined || port === servicePort) return backend
  const note = `It said port ${port}, which only NAT could translate to: packets keep the port that they came for.`
  return {
    ...backend,
    written: { ...backend.written, address: address.replace(PORT, `:${servicePort}`) },
    notes: [...backend.notes, note],
  }
}
