// Exit code 0 while the daemon of this network namespace can do its work. It is asked at its admin socket, so no port is needed.
import { statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'

const folder = process.env.POINTSMAN_STATE_DIR ?? '/var/lib/pointsman'
const socketPath = join(folder, `admin-${statSync('/proc/self/ns/net').ino}.sock`)

function ended(healthy, words) {
  console.log(words)
  process.exit(healthy ? 0 : 1)
}

request({ socketPath, path: '/healthz', timeout: 4000 })
  .on('response', (response) => {
    response.setEncoding('utf8').on('data', (text) => ended(response.statusCode === 200, text.trim()))
  })
  .on('timeout', () => ended(false, `${socketPath} does not answer`))
  .on('error', (error) => ended(false, `${socketPath}: ${error.message}`))
  .end()
