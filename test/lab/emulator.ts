/** How QEMU is called, and whether hardware virtualisation really works here. */

import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDir } from './cache.ts'
import { command } from './command.ts'
import type { KernelImage } from './kernel-image.ts'

export type Acceleration = 'kvm' | 'tcg'

/**
 * Words for the kernel. No time lost on self-tests, mitigations, hardening, accounting and watchdogs: a third off every
 * connection. The time-stamp counter as clock, since every other one is emulated and slow.
 */
const kernelArguments = [
  'console=ttyS0 quiet panic=-1 nokaslr tsc=reliable no_timer_check random.trust_cpu=on net.ifnames=0 pci=noacpi',
  'mitigations=off init_on_alloc=0 hardened_usercopy=off randomize_kstack_offset=off preempt=none',
  'audit=0 lsm=capability cgroup_disable=memory nowatchdog cryptomgr.notests rcupdate.rcu_expedited=1',
].join(' ')

/**
 * How fast this machine's time-stamp counter runs, for a guest whose processor is emulated and has the same one: it would measure that against emulated
 * timers as it boots, and be wrong by ten times and more where others keep this machine busy. In such a guest every second is too short. Empty where this
 * machine's own kernel was not told by what it runs on, and only knows how fast its processor is just now.
 */
export function counterArgument(cpuinfo = readFileSync('/proc/cpuinfo', 'utf8')): string {
  const megahertz = /^cpu MHz\s*: (\d+)\.(\d{3})$/m.exec(cpuinfo)
  if (megahertz === null || !/^flags\s*:.* tsc_known_freq( |$)/m.test(cpuinfo)) return ''
  return `tsc_early_khz=${megahertz[1]}${megahertz[2]}`
}

export interface EmulatorOptions {
  readonly acceleration: Acceleration
  readonly image: KernelImage
  readonly memoryMiB: number
  readonly cpus: number
  /** Added to the kernel's command line. */
  readonly kernelArguments: string
  readonly devices: readonly string[]
}

export function emulatorCommand(options: EmulatorOptions): readonly string[] {
  const machine =
    options.acceleration === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max']
  const counter = options.acceleration === 'kvm' ? '' : counterArgument()
  return [
    'qemu-system-x86_64',
    ...['-M', 'pc', ...machine, '-smp', String(options.cpus), '-m', String(options.memoryMiB)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-kernel', options.image.kernel, '-initrd', options.image.initramfs],
    ...['-append', `${kernelArguments} ${counter} ${options.kernelArguments}`],
    ...options.devices,
  ]
}

/** Boots the kernel until its initramfs speaks; a stock kernel that hangs under KVM is seen here, and only here. */
async function probeKvm(image: KernelImage): Promise<boolean> {
  const argv = emulatorCommand({
    acceleration: 'kvm',
    image,
    memoryMiB: 512,
    cpus: 1,
    kernelArguments: 'lab.probe=1',
    devices: [],
  })
  const guarded = ['setpriv', '--pdeathsig', 'KILL', ...argv]
  const output = await command(guarded, { timeoutMs: 10_000 }).catch(() => '')
  return output.includes('LAB-PROBE-WORKS')
}

function kvmOpens(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** KVM if a probe boot proves it, else TCG. The proof is kept until this machine or the guest's kernel is another. */
export async function chooseAcceleration(image: KernelImage): Promise<Acceleration> {
  if (!kvmOpens()) return 'tcg'
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const proof = join(cacheDir(), `kvm-${image.release}`)
  try {
    const [seenBoot, verdict] = readFileSync(proof, 'utf8').split(' ')
    if (seenBoot === bootId) return verdict === 'works' ? 'kvm' : 'tcg'
  } catch {
    // Never probed.
  }
  const works = await probeKvm(image)
  writeFileSync(proof, `${bootId} ${works ? 'works' : 'fails'}`)
  return works ? 'kvm' : 'tcg'
}
