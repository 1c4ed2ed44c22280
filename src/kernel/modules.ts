import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'

/**
 * `loaded`: at work (or built in); `loadable`: modprobe would find it; `missing`: it would not; `unknown`: this machine's
 * module tree cannot be seen from here (a container), although the kernel may still load it by itself.
 */
export type ModuleState = 'loaded' | 'loadable' | 'missing' | 'unknown'

const NAME = /^[a-z0-9_]{1,40}$/

/** What would happen if the kernel needed the module `name`; nothing is loaded. */
export function moduleState(name: string): ModuleState {
  if (!NAME.test(name)) return 'missing'
  if (loadedModules().has(name) || existsSync(`/sys/module/${name}`) || isBuiltIn(name)) return 'loaded'
  if (!existsSync(`/lib/modules/${release()}`)) return 'unknown'
  const run = spawnSync('modprobe', ['--dry-run', '--quiet', name], { timeout: 5_000, env: environment() })
  if (run.error) return 'unknown'
  return run.status === 0 ? 'loadable' : 'missing'
}

/** Whether the kernel has a scheduler (`wrr`, `mh`, …) or could load it: its module is `ip_vs_` and the name. */
export function schedulerState(scheduler: string): ModuleState {
  return moduleState(`ip_vs_${scheduler}`)
}

/** Names of the loaded modules (`/proc/modules`); empty on a kernel without modules. */
export function loadedModules(): ReadonlySet<string> {
  const lines = readOrEmpty('/proc/modules').split('\n')
  return new Set(lines.map((line) => line.split(' ', 1)[0] ?? '').filter((name) => name !== ''))
}

function isBuiltIn(name: string): boolean {
  const paths = readOrEmpty(`/lib/modules/${release()}/modules.builtin`).split('\n')
  return paths.some((path) => path.endsWith(`/${name}.ko`))
}

/** With the directories of the system's own programs, which a service's PATH may lack. */
export function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin` }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
