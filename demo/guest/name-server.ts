import dns2 from 'dns2'
import type { SrvRecord } from '../wish.ts'

const { Packet } = dns2

/** Seconds. */
const TTL = 1

const resource = (fields: object) =>
  Object.assign({ class: Packet.CLASS.IN, ttl: TTL }, fields) as InstanceType<typeof Packet>['answers'][number]

/** A name server that knows one SRV name. Gives the function that replaces its records. */
export async function startNameServer(address: string, name: string): Promise<(records: readonly SrvRecord[]) => void> {
  let records: readonly SrvRecord[] = []
  const server = dns2.createServer({
    udp: true,
    handle(request, send) {
      const response = Packet.createResponseFromRequest(request)
      response.header.aa = 1
      const [question] = request.questions
      const hosts = records.map(({ target, address }) => resource({ name: target, type: Packet.TYPE.A, address }))
      if (question?.name.toLowerCase() === name && question.type === Packet.TYPE.SRV) {
        response.answers = records.map(({ target, port, weight }) =>
          resource({ name, type: Packet.TYPE.SRV, priority: 0, weight, port, target }),
        )
        response.additionals = hosts
      } else if (question?.type === Packet.TYPE.A) response.answers = hosts.filter((host) => host.name === question.name)
      send(response)
    },
  })
  await server.listen({ udp: { port: 53, address } })
  return (next) => {
    records = next
  }
}
