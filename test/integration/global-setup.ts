/** Fetches the peers before the first test's time runs; without a word, for who needs one that cannot be had says so. */

import { chromiumPrograms } from '../peers/chromium.ts'
import { consulBinary } from '../peers/consul.ts'
import { composePrograms } from '../peers/docker-compose.ts'
import { knotPrograms } from '../peers/knot.ts'
import { kubectlPrograms } from '../peers/kubectl.ts'
import { msmtpdPrograms } from '../peers/msmtpd.ts'
import { prometheusPrograms } from '../peers/prometheus.ts'
import { rsyslogPrograms } from '../peers/rsyslog.ts'

export default async function setup(): Promise<void> {
  await Promise.allSettled([
    consulBinary(),
    knotPrograms(),
    rsyslogPrograms(),
    msmtpdPrograms(),
    prometheusPrograms(),
    chromiumPrograms(),
    kubectlPrograms(),
    composePrograms(),
  ])
}
