import { describe, expect, it } from 'vitest'
import { connectionFault, statusFault } from '../../../../src/sources/consul/fault.ts'

const failed = (code: string) =>
  Object.assign(new Error('40AD8278C27F0000:error:0A000412:SSL routines:rec_layer_s3.c:918'), { code })

describe('the sentence for a connection that failed', () => {
  it.each([
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'has a certificate that nobody known here has signed; write tls: { ca: ... }'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'has a certificate that nobody known here has signed; write tls: { ca: ... }'],
    ['CERT_HAS_EXPIRED', 'has a certificate that has expired; renew it'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'has a certificate for another name; correct address, or write tls: { server_name: ... }'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS; write http:// or the port for https'],
    [
      'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
      'does not take our certificate, or wants one; write tls: { cert: ..., key: ... } with one that it knows',
    ],
    [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'does not take our certificate, or wants one; write tls: { cert: ..., key: ... } with one that it knows',
    ],
    [
      'ERR_OSSL_PEM_NO_START_LINE',
      'cannot be asked over TLS (ERR_OSSL_PEM_NO_START_LINE); check that it speaks TLS on this port, and the files of tls',
    ],
    ['HPE_INVALID_CONSTANT', 'does not speak HTTP; write the address of a Consul agent'],
  ])('by %s says what to write, and nothing of the library', (code, reason) => {
    expect(connectionFault('https://c:8501', failed(code)).message).toBe(`Consul at https://c:8501 ${reason}`)
  })
})

it('says that an agent speaks TLS where it complains of plain HTTP', () => {
  const fault = statusFault('http://c:8501', '/v1/x', 400, 'Client sent an HTTP request to an HTTPS server.\n')
  expect(fault.message).toBe('Consul at http://c:8501 speaks TLS; write https://')
  expect(statusFault('http://c:8500', '/v1/x', 400, 'Bad request: "ns"').message).toContain('namespaces and partitions')
})
