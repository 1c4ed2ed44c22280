/** The real Prometheus and its promtool (Debian bookworm). */

import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { command } from '../lab/command.ts'
import { unpackedPackages } from './debian-package.ts'
import { PeerProcess } from './peer-process.ts'
import { loopbackAddress, type PeerFolder, peerFolder } from './place.ts'

export interface PrometheusOptions {
  /** `127.0.0.1:9095`, scraped each second as the job `pointsman`. */
  readonly target: string
  /** Path of a file of rules, evaluated each second. */
  readonly rules: string
}

/** One series of an answer. */
export interface QueryResult {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

export class Prometheus implements AsyncDisposable {
  readonly #place: PeerFolder
  readonly #process: PeerProcess
  readonly #url: string

  constructor(unpacked: string, { target, rules }: PrometheusOptions) {
    this.#place = peerFolder('prometheus')
    const { path } = this.#place
    const configuration = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [resolve(rules)],
      scrape_configs: [{ job_name: 'pointsman', static_configs: [{ targets: [target] }] }],
    }
    writeFileSync(join(path, 'prometheus.yml'), JSON.stringify(configuration))
    const listen = `${loopbackAddress()}:9090`
    this.#url = `http://${listen}`
    const program = join(unpacked, 'usr/bin/prometheus')
    const argv = [`--config.file=${path}/prometheus.yml`, `--storage.tsdb.path=${path}/data`, `--web.listen-address=${listen}`]
    this.#process = new PeerProcess([program, ...argv], { env: { GOMAXPROCS: '1' } })
  }

  async started(): Promise<void> {
    await this.#process.until(async () => (await fetch(`${this.#url}/-/ready`)).status === 200, 'readiness')
  }

  /** Rejects with its own words where it does not understand the query. */
  async query(expression: string): Promise<readonly QueryResult[]> {
    const answer = (await this.#ask(`query?${new URLSearchParams({ query: expression })}`)) as { result: QueryResult[] }
    return answer.result
  }

  /** Names of the alerts that are pending or firing. */
  async alerts(): Promise<readonly string[]> {
    const answer = (await this.#ask('alerts')) as { alerts: { labels: { alertname: string } }[] }
    return [...new Set(answer.alerts.map(({ labels }) => labels.alertname))].toSorted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop()
    this.#place.remove()
  }

  async #ask(what: string): Promise<unknown> {
    const response = await fetch(`${this.#url}/api/v1/${what}`)
    const answer = (await response.json()) as { status: string; error?: string; data?: unknown }
    if (answer.status !== 'success') throw new Error(answer.error)
    return answer.data
  }
}

export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const prometheus = new Prometheus(await prometheusPrograms(), options)
  await prometheus.started()
  return prometheus
}

/** Runs promtool and gives what it prints; rejects where it finds fault. */
export async function promtool(
  args: readonly string[],
  options: { readonly cwd?: string; readonly input?: string } = {},
): Promise<string> {
  return command([join(await prometheusPrograms(), 'usr/bin/promtool'), ...args], options)
}

/** The folder that holds usr/bin/prometheus and usr/bin/promtool. */
export function prometheusPrograms(): Promise<string> {
  return unpackedPackages({ name: 'prometheus', suite: 'bookworm', packages: ['prometheus'] })
}
