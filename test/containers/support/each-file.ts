/** Tells testcontainers, which reads its environment when it is first used, where the tier's engine is. */

import { inject } from 'vitest'

const { host, address } = inject('engine')
process.env['DOCKER_HOST'] = host
process.env['TESTCONTAINERS_HOST_OVERRIDE'] = address
// It would be pulled, and there is nothing for it to clean: everything ends with the engine.
process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
