/** The same tests of some kinds once more, with the probes asked by threads of their own. */

import { askByThreads } from './who-asks.ts'

askByThreads(2)

await import('./tcp.test.ts')
await import('./http.test.ts')
await import('./tls.test.ts')
await import('./udp.test.ts')
await import('./dns.test.ts')
await import('./bad-backends.test.ts')
await import('./marked.test.ts')
