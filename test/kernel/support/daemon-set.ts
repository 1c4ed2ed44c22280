/** The pod of deploy/kubernetes as an engine without Kubernetes can run it: the kubelet makes the same container of the same words. */

import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import type { Lab } from '../../lab/lab.ts'

interface HttpGet {
  readonly host: string
  readonly port: number
  readonly path: string
}

interface Container {
  readonly image: string
  readonly args: readonly string[]
  readonly securityContext: {
    readonly runAsUser: number
    readonly runAsGroup: number
    readonly allowPrivilegeEscalation: boolean
    readonly readOnlyRootFilesystem: boolean
    readonly capabilities: { readonly drop: readonly string[]; readonly add: readonly string[] }
  }
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
  readonly startupProbe: { readonly httpGet: HttpGet }
  readonly livenessProbe: { readonly httpGet: HttpGet }
  readonly readinessProbe: { readonly httpGet: HttpGet }
}

interface Manifest {
  readonly kind: string
  readonly data: Readonly<Record<string, string>>
  readonly spec: {
    readonly template: { readonly spec: { readonly hostNetwork: boolean; readonly containers: readonly [Container] } }
  }
}

interface Pod {
  /** That of the ConfigMap. */
  readonly configuration: string
  /** Where the kubelet would ask: start, life, readiness. */
  readonly probes: readonly string[]
  /** A line of shell. `places` are folders of the host for volumes, by name; the others are in memory. Limits of memory are left out: the lab's kernel has none. */
  dockerRun(name: string, places: Readonly<Record<string, string>>): string
}

export function daemonSetPod(path: string): Pod {
  const manifests = parseAllDocuments(readFileSync(path, 'utf8')).map((document) => document.toJS() as Manifest)
  const find = (kind: string) => manifests.find((manifest) => manifest.kind === kind) as Manifest
  const { hostNetwork, containers } = find('DaemonSet').spec.template.spec
  const [{ image, args, securityContext, volumeMounts, ...probes }] = containers
  const { runAsUser, runAsGroup, allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = securityContext
  const volumes = (places: Readonly<Record<string, string>>) =>
    volumeMounts.map(({ name, mountPath, readOnly }) =>
      places[name] === undefined ? `--tmpfs ${mountPath}` : `-v ${places[name]}:${mountPath}${readOnly === true ? ':ro' : ''}`,
    )
  return {
    configuration: find('ConfigMap').data['pointsman.yaml'] ?? '',
    probes: [probes.startupProbe, probes.livenessProbe, probes.readinessProbe].map(
      ({ httpGet: { host, port, path: asked } }) => `http://${host}:${port}${asked}`,
    ),
    dockerRun: (name, places) =>
      [
        `docker run -d --name ${name} --user ${runAsUser}:${runAsGroup}`,
        ...(hostNetwork ? ['--network host'] : []),
        ...(allowPrivilegeEscalation ? [] : ['--security-opt no-new-privileges']),
        ...(readOnlyRootFilesystem ? ['--read-only'] : []),
        ...capabilities.drop.map((each) => `--cap-drop ${each}`),
        ...capabilities.add.map((each) => `--cap-add ${each}`),
        ...volumes(places),
        image,
        ...args,
      ].join(' '),
  }
}

/** As the kubelet does it: a folder of its own for each version, and one link that is replaced. */
export async function writeConfigMap(lab: Lab, volume: string, version: string, text: string): Promise<void> {
  await lab.writeFile(`${volume}/..${version}/pointsman.yaml`, text)
  await lab.check(
    `cd ${volume}; ln -sfn ..data/pointsman.yaml pointsman.yaml; ln -sfn ..${version} ..data_tmp; mv -T ..data_tmp ..data`,
  )
}
