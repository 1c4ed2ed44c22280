import { describe, expect, it } from 'vitest'
import { connectionTrouble } from '../../../../src/sources/http/trouble.ts'

const fault = (code: string) => connectionTrouble(Object.assign(new Error('of the connection'), { code }))

describe('what a fault of the connection means', () => {
  it.each([
    ['ENOTFOUND', 'the name of the host is not known'],
    ['EAI_AGAIN', 'the name of the host cannot be looked up now'],
    ['ECONNREFUSED', 'the connection is refused'],
    ['EHOSTUNREACH', 'the host cannot be reached'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is signed by nobody who is known here'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'TLS is not possible (ERR_SSL_WRONG_VERSION_NUMBER)'],
    ['EMFILE', 'the connection failed (EMFILE)'],
  ])('%s', (code, problem) => expect(fault(code)).toMatchObject({ code: 'SOURCE_UNREADABLE', problem }))

  it('without a code is told as it is', () => {
    expect(connectionTrouble(new Error('odd')).problem).toBe('the connection failed (odd)')
    expect(connectionTrouble('odder').problem).toBe('the connection failed (odder)')
  })

  it('of bytes that are no HTTP is an answer that is none', () => {
    expect(fault('HPE_INVALID_CONSTANT')).toMatchObject({
      code: 'SOURCE_INVALID',
      problem: 'what answers there does not speak HTTP',
    })
  })
})
