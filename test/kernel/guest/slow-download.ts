/**
 * A real server whose answers take their time: `GET /SECONDS` is a body of 10 bytes a second that ends after so many seconds.
 * Usage: `slow-download ADDRESS PORT`. Prints `ready`.
 */

import { createServer } from 'node:http'

const [address = '', port = ''] = process.argv.slice(2)
const server = createServer((request, response) => {
  let left = Number(request.url?.slice(1))
  response.writeHead(200, { 'content-length': left * 10 })
  const timer = setInterval(() => {
    left -= 1
    response.write('0123456789')
    if (left > 0) return
    clearInterval(timer)
    response.end()
  }, 1_000)
  response.on('close', () => clearInterval(timer))
})
server.listen(Number(port), address, () => console.log('ready'))
