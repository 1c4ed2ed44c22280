import { describe, expect, it } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { oneService } from './support.ts'

function complaints(input: string | Uint8Array): string[] {
  const result = loadConfiguration({ path: 'pointsman.yaml', bytes: Buffer.from(input) })
  return result.ok ? [] : result.issues.map(formatIssue)
}

const backend = (text: string) => oneService(`backends:\n  - ${text}`)
const schedulers = 'rr, wrr, lc, wlc, fo, ovf, lblc, lblcr, dh, sh, mh, sed, nq or twos'

describe('bad input is answered by one sentence with its place and what to write instead:', () => {
  it.each<[string, string | Uint8Array, string]>([
    [
      'port 0',
      oneService('listen: 10.0.0.1:0'),
      'pointsman.yaml:3:13: services[0].listen: port 0 (every port) needs persistence; write a port from 1 to 65535, or persistence: 300s',
    ],
    [
      'port 0 of a backend',
      backend('10.1.0.1:0'),
      'pointsman.yaml:5:9: services[0].backends[0]: port 0 is only for backends of fwmark services and of persistent services on port 0; write a port from 1 to 65535',
    ],
    [
      'port 65536',
      oneService('listen: 10.0.0.1:65536'),
      'pointsman.yaml:3:13: services[0].listen: port 65536 is above 65535; write a port from 1 to 65535',
    ],
    [
      'port http',
      oneService('listen: 10.0.0.1:http'),
      'pointsman.yaml:3:13: services[0].listen: port "http" is not a number; write a port from 1 to 65535; names of ports such as http are not looked up',
    ],
    [
      'a hostname',
      backend('web1.example.com:80'),
      'pointsman.yaml:5:9: services[0].backends[0]: "web1.example.com" is a name where an address is due; write the IP address; backends with a name come from source: { dns: { name: ..., port: ... } }',
    ],
    [
      'an address with a login in a place for something else',
      oneService('scheduler: "https://me:hunter2@www.example/x?key=1"'),
      `pointsman.yaml:4:16: services[0].scheduler: "https://***@www.example/x?..." is not known; write ${schedulers}`,
    ],
    [
      'an unknown key',
      oneService('shceduler: rr'),
      'pointsman.yaml:4:5: services[0].shceduler: the key shceduler is not known here; did you mean scheduler?',
    ],
    [
      'an unknown scheduler',
      oneService('scheduler: wrrr'),
      `pointsman.yaml:4:16: services[0].scheduler: "wrrr" is not known; did you mean wrr? Otherwise write ${schedulers}`,
    ],
    [
      'text for a number',
      oneService('weight: heavy'),
      'pointsman.yaml:4:13: services[0].weight: "heavy" is not a number; write a weight from 0 to 65535, without quotes or other characters',
    ],
    [
      'a list for a mapping',
      oneService('drain: [5s]'),
      'pointsman.yaml:4:12: services[0].drain: a list stands where a mapping is due; write a mapping with timeout',
    ],
    [
      'a negative duration',
      `global: { resync_interval: -30s }\n${oneService('')}`,
      'pointsman.yaml:1:28: global.resync_interval: -30s is negative; write a duration from 1s to 24h',
    ],
    [
      'a duration of zero',
      `global: { resync_interval: 0s }\n${oneService('')}`,
      'pointsman.yaml:1:28: global.resync_interval: 0s is below 1s; write a duration from 1s to 24h',
    ],
    [
      'weight 65536',
      backend('{ address: 10.1.0.1:80, weight: 65536 }'),
      'pointsman.yaml:5:41: services[0].backends[0].weight: 65536 is above 65535; write a weight from 0 to 65535',
    ],
    [
      'weight -1',
      backend('{ address: 10.1.0.1:80, weight: -1 }'),
      'pointsman.yaml:5:41: services[0].backends[0].weight: -1 is below 0; write a weight from 0 to 65535',
    ],
    ['tabs', 'services:\n\t- name: web\n', 'pointsman.yaml:2:1: the line is indented with a tab; indent with spaces'],
    [
      'a binary file',
      Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0x02, 0x01, 0x00, 0xff),
      'pointsman.yaml:1:7: the file holds a zero byte and is no text; write plain YAML or JSON in UTF-8',
    ],
    [
      'an empty file',
      '',
      'pointsman.yaml:1:1: the file is empty; write at least one key; if the file was being written just now, write to a temporary file and rename it',
    ],
    [
      '50 MB',
      new Uint8Array(50_000_000).fill(0x20),
      'pointsman.yaml: the file has 50000000 bytes, more than the 4194304 (4 MiB) that are read; split it, or move long lists of backends to files of their own and name them as file sources',
    ],
  ])('%s', (_, input, sentence) => {
    expect(complaints(input)).toEqual([sentence])
  })

  it('IPv6 written in three ways is one service and one backend', () => {
    const text = `services:
  - name: a
    listen: "[2001:db8::1]:80"
    backends:
      - "[2001:db8::a]:80"
      - "[2001:DB8::000A]:80"
      - "[2001:db8:0:0:0:0:0:a]:80"
  - { name: b, listen: "[2001:DB8:0::1]:80", backends: [] }
  - { name: c, listen: "[2001:0db8:0000:0000:0000:0000:0000:0001]:80", backends: [] }
`
    expect(complaints(text)).toEqual([
      'pointsman.yaml:6:9: services[0].backends[1]: [2001:db8::a]:80 is listed twice, first on line 5; keep one of the two',
      'pointsman.yaml:7:9: services[0].backends[2]: [2001:db8::a]:80 is listed twice, first on line 5; keep one of the two',
      'pointsman.yaml:8:24: services[1].listen: tcp/[2001:db8::1]:80 is served already by the service on line 3; remove one of the two, or write another address, port or mark',
      'pointsman.yaml:9:24: services[2].listen: tcp/[2001:db8::1]:80 is served already by the service on line 3; remove one of the two, or write another address, port or mark',
    ])
  })
})
