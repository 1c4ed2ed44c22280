/** Goes through the crash scenario until POINTSMAN_FAILPOINT kills it. Arguments: file of kernel writes, state directory. */
import { persistentKernel, runScenario, STATES } from './scenario.ts'

const [file = '', directory = ''] = process.argv.slice(2)
await runScenario(persistentKernel(file), directory, STATES, 1_000)
