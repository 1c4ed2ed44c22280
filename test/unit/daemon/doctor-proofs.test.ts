/**
 * Every place of the sources where the doctor makes a warning or a failure has an entry here: which test breaks the thing for real, does what is printed and
 * sees the line well, or why none does. A new place without an entry fails, and so does an entry whose test is gone. That a test shows what it says is for
 * its reader to see.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const SOURCES = 'src/daemon/doctor'
const CURES = 'test/kernel/doctor-cures.test.ts'
const KERNELS = 'test/kernel/doctor-kernels.test.ts'
const WORDS = 'test/integration/doctor-words.test.ts'
const STATE = 'test/integration/doctor-state.test.ts'
const HERE = 'test/integration/doctor.test.ts'
const NEIGHBOURS = 'test/integration/doctor-neighbours.test.ts'

/** By what the place is known in its function; the test with words of its title, or a reason. */
type Proof = readonly [words: string, shown: readonly [file: string, title: string] | { readonly notShown: string }]

const OLD_KERNEL = [KERNELS, 'that is old, and whose table is too small'] as const
const MODULES = [KERNELS, 'that lacks modules, loads none any more, or is seen from a container'] as const
const MACHINE = [KERNELS, 'whose clock is older than the program'] as const
const SETTINGS = [WORDS, 'settings that ask for what is not here'] as const
const TOLD = [WORDS, 'what the kernel of this namespace is told'] as const
const USER = [WORDS, 'another user, who sees less'] as const
const CONTAINER = [WORDS, 'a container, from which not every process is seen'] as const
const KUBE = [WORDS, 'kube-proxy in the mode ipvs'] as const
const FILES = [STATE, 'a full file system, one in memory'] as const
const VRRP = [STATE, 'addresses that VRRP has not brought yet'] as const

const PROOFS: Readonly<Record<string, readonly Proof[]>> = {
  'diagnose-firewall.ts diagnoseFirewall': [['cannot be seen', USER]],
  'diagnose-firewall.ts finding': [
    ['may drop', TOLD],
    ['isMeant', ['test/containers/host-firewalls.test.ts', 'in panic']],
    ['manage_firewall', ['test/kernel/road-firewall.test.ts', 'are named by the doctor, at each of the three hooks']],
  ],
  'diagnose-host.ts diagnoseConfiguration': [['configurationProblem', [STATE, 'a configuration that is not valid']]],
  'diagnose-host.ts diagnoseDescriptors': [['probes beyond that', [CURES, 'too few descriptors']]],
  'diagnose-host.ts diagnoseClock': [
    ['before this program was made', MACHINE],
    ['it was set back', [HERE, 'written later than the clock says']],
    ['nothing keeps it in step', OLD_KERNEL],
  ],
  'diagnose-host.ts diagnoseAdmin': [
    ['cannot be seen from here', USER],
    ['so a daemon works without it', [CURES, 'the admin address']],
    ['no interface of this host', SETTINGS],
    ['ports below 1024', USER],
    ['cannot be used (', [HERE, 'an admin address that no socket can have']],
  ],
  'diagnose-host.ts otherWriter': [
    ['may write the same IPVS table', [CURES, 'another writer']],
    ["'kube-proxy'", KUBE],
    ['--run-service-proxy=false', KUBE],
  ],
  'diagnose-host.ts kubeTrace': [
    ['carries addresses', KUBE],
    ['look in the host', CONTAINER],
    ['ip link delete', [CURES, 'what kube-proxy left behind']],
  ],
  'diagnose-host.ts diagnoseHolder': [
    ['a process that does not say', USER],
    ['no start can write it', [CURES, 'a holder that says nothing']],
  ],
  'diagnose-host.ts diagnoseSources': [['does not answer', [HERE, 'an HTTP server that is down, and answers']]],
  'diagnose-kernel.ts diagnoseKernel': [['platform', { notShown: 'the tests run on Linux' }]],
  'diagnose-kernel.ts ipvs': [
    ['answer.problem', MACHINE],
    ['modulesLocked', MODULES],
    ['not loaded yet', [CURES, 'ip_vs that is not loaded']],
    ['has no module ip_vs', MODULES],
    ['cannot be seen from here', { notShown: 'a module that cannot be seen is asked for, and its answer is the line' }],
  ],
  'diagnose-kernel.ts moduleLine': [
    ['modulesLocked', MODULES],
    ['the kernel has no ', MODULES],
    ['cannot be seen from here', MODULES],
  ],
  'diagnose-kernel.ts otherModules': [
    ['modulesLocked', MODULES],
    ["verdict === 'fail'", MODULES],
    ['the kernel has no ', MODULES],
  ],
  'diagnose-kernel.ts locked': [['no module any more', MODULES]],
  'diagnose-kernel.ts tunnelKinds': [['tunnels in IPVS', OLD_KERNEL]],
  'diagnose-kernel.ts connectionTable': [['long chains', OLD_KERNEL]],
  'diagnose-kernel.ts rights': [['CAP_NET_ADMIN is missing', USER]],
  'diagnose-neighbours.ts rights': [['CAP_NET_RAW is missing', USER]],
  'diagnose-neighbours.ts hiddenIpv4': [
    ['arp_ignore is set', SETTINGS],
    ['arp_announce is below 2', [NEIGHBOURS, 'an address that may stand as the sender']],
  ],
  'diagnose-neighbours.ts hiddenIpv6': [['is answered for on no link', SETTINGS]],
  'diagnose-network.ts nftables': [['answer.problem', [STATE, 'nftables that is not installed']]],
  'diagnose-network.ts connections': [
    ['new ones are dropped', [CURES, 'a full table of connections']],
    ['gets slow', [CURES, 'a hash table of connections that is too small']],
  ],
  'diagnose-network.ts sources': [
    ['announce_when', SETTINGS],
    ['movedBy', VRRP],
    ['UNSEEN', CONTAINER],
    ['addAddress', [CURES, 'the source address']],
  ],
  'diagnose-network.ts interfaces': [
    ['network.problem', { notShown: 'the kernel tells everybody its interfaces' }],
    ['has no interface', SETTINGS],
    ['is switched off', [CURES, 'an interface that is switched off']],
  ],
  'diagnose-network.ts addresses': [
    ['movedBy', VRRP],
    ['UNSEEN', CONTAINER],
    ['addAddress', [CURES, 'the address ']],
  ],
  'diagnose-network.ts tunnelSizes': [['do not fit into', [CURES, 'a narrow link under a tunnel']]],
  'diagnose-state.ts stateDirectory': [
    ["case 'EROFS'", [CURES, 'a state directory to read only']],
    ['cureOfRights', [CURES, 'a state directory that this user cannot make']],
    ["case 'ENOSPC'", FILES],
    ['move it away', [HERE, 'a file in its place, and out of the way']],
    ['writable for the user of Pointsman', { notShown: 'of an errno that no file system of the tests gives' }],
  ],
  'diagnose-state.ts stateFileSystem': [
    ['is in memory', FILES],
    ['is on another host', { notShown: 'no file server runs in the tests; the way is that of a file system in memory' }],
    ['KiB left', FILES],
  ],
  'diagnose-state.ts operatorSocket': [['is the most', [HERE, 'a path that is too long for the operator socket']]],
  'diagnose-state.ts diagnoseRecord': [['known.problem', [STATE, 'a record of a later version']]],
  'diagnose-state.ts recordLine': [
    ['it is of another network namespace', MODULES],
    ['would be set aside', OLD_KERNEL],
  ],
  'diagnose-sysctls.ts diagnoseSysctls': [
    ['sysctlAdvice', [CURES, "sysctl('net.ipv4.vs.expire_nodest_conn', 0)"]],
    ['before ip_vs is loaded', [CURES, 'sysctls that are not there yet']],
  ],
  'diagnose-sysctls.ts noConntrack': [['built without connection tracking', MODULES]],
  'diagnose-sysctls.ts reuse': [
    ['delays reused ports', OLD_KERNEL],
    ['REUSE}=1', [CURES, "sysctl('net.ipv4.vs.conn_reuse_mode', 0, 'warn')"]],
  ],
  'diagnose-sysctls.ts reversePath': [['dropped without a trace', [CURES, 'a strict reverse path on one interface']]],
  'diagnose-sysctls.ts waysBack': [
    ['global.probe_source', SETTINGS],
    ['has to be', [CURES, 'answers of probes by the virtual address']],
  ],
  'diagnose-way-back.ts findingsOf': [
    ['in different networks', [NEIGHBOURS, 'a route that they need to snat_ip']],
    ['where IPv6 answers no neighbour', TOLD],
    ['behind a router', SETTINGS],
  ],
}

/** The functions that make warnings or failures, with their texts. */
function placesIn(directory: string): ReadonlyMap<string, { readonly text: string; readonly calls: number }> {
  const places = new Map<string, { text: string; calls: number }>()
  // Where the three are defined they are called by nobody.
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.ts') && name !== 'facts.ts')) {
    const [, ...functions] = readFileSync(join(directory, file), 'utf8').split(/^(?=(?:export )?(?:async )?function )/m)
    for (const text of functions) {
      const [, name] = /function (\w+)/.exec(text) ?? []
      const calls = [...text.matchAll(/\b(?:warn|fail|locked)\(/g)].length - (name === 'locked' ? 1 : 0)
      if (calls > 0) places.set(`${file} ${name}`, { text, calls })
    }
  }
  return places
}

const places = placesIn(SOURCES)

test('every place that makes a warning or a failure says where it is shown, or why it is not', () => {
  const counted = (of: Iterable<readonly [string, number]>) => Object.fromEntries([...of].toSorted())
  expect(counted([...places].map(([name, { calls }]) => [name, calls] as const))).toEqual(
    counted(Object.entries(PROOFS).map(([name, proofs]) => [name, proofs.length] as const)),
  )
  const findings = readdirSync(SOURCES).flatMap(
    (file) => readFileSync(join(SOURCES, file), 'utf8').match(/check, verdict: '(?:warn|fail)'/g) ?? [],
  )
  expect(findings, 'made by warn() and fail() of facts.ts alone').toHaveLength(2)
})

test.for(Object.entries(PROOFS))('%s: its words are there, and the tests that show them', ([name, proofs]) => {
  for (const [words, shown] of proofs) {
    expect(places.get(name)?.text).toContain(words)
    if ('notShown' in shown) expect(shown.notShown).toMatch(/\w+ \w+ \w+/)
    else expect(readFileSync(shown[0], 'utf8'), shown[0]).toContain(shown[1])
  }
})
