import { writeFileSync } from 'node:fs'
import { currentBuild } from '../build.ts'
import { openApiText } from './openapi.ts'

/** Writes the published document anew; run it after a change of the schema or of the version. */
writeFileSync(new URL('../../docs/openapi.json', import.meta.url), openApiText(currentBuild().version))
