// What the IPVS table of this machine and a configuration differ in. Reads and writes nothing else; a daemon may run beside it.
// As root: node table-diff.ts pointsman.yaml
import { readFileSync } from 'node:fs'
import { type Change, desiredState, destinationKey, parseConfiguration, plan, readTable, serviceKey } from 'pointsman'

const [path = 'pointsman.yaml'] = process.argv.slice(2)
const { services } = parseConfiguration(readFileSync(path, 'utf8'), { path })
const { changes, foreign } = await plan(await readTable(), desiredState(services))

for (const change of changes) console.log(line(change))
console.log(`${changes.length} differences; ${foreign.length} objects are foreign and stay.`)

function line(change: Change): string {
  const service = serviceKey(change.service)
  switch (change.kind) {
    case 'add-service':
      return `+ ${service} ${change.after.scheduler}`
    case 'edit-service':
      return `~ ${service} ${change.before.scheduler} -> ${change.after.scheduler}`
    case 'delete-service':
      return `- ${service}`
    case 'add-destination':
      return `+ ${service} ${destinationKey(change.after)} weight ${change.after.weight}`
    case 'edit-destination':
      return `~ ${service} ${destinationKey(change.after)} weight ${change.before.weight} -> ${change.after.weight}`
    case 'delete-destination':
      return `- ${service} ${destinationKey(change.before)}`
  }
}
