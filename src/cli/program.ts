import { Argument, Command, CommanderError, Option } from 'commander'
import type { SettingName } from '../config/configuration.ts'
import { EXIT, PointsmanError } from '../errors.ts'
import { checkFailpoint } from '../failpoint.ts'
import { failed } from './failure.ts'
import { JOURNAL_LIMIT } from './journal-options.ts'
import { SETTING_FLAGS } from './setting-flags.ts'
import { print, tolerateLostOutput } from './terminal.ts'

const DEFAULT_CONFIG = '/etc/pointsman/pointsman.yaml'

/** Runs the command that the arguments name and gives the exit code. Each command's code is loaded only when it runs. */
export async function run(args: readonly string[]): Promise<number> {
  tolerateLostOutput()
  try {
    checkFailpoint()
    return await parseAndRun(args)
  } catch (error) {
    return failed(error, args.includes('--json'))
  }
}

async function parseAndRun(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok
  let help = ''
  const program = commands(
    (code) => {
      exitCode = code
    },
    (text) => {
      help += text
    },
  )
  try {
    await program.parseAsync(versionAsCommand(args), { from: 'user' })
    return exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) return EXIT.usage
    await print(help)
    return EXIT.ok
  }
}

/** `--version` first is the command, whose code is loaded only when it runs. */
function versionAsCommand(args: readonly string[]): string[] {
  return args[0] === '--version' ? ['version', ...args.slice(1)] : [...args]
}

/** The commands with their options, for the pages and completions that are written from them; nothing runs. */
export function describedProgram(): Command {
  return commands(
    () => {},
    () => {},
  )
}

/** What commander parsed is of the form that the command's own options declare below. */
type Action = (options: never, ...given: never[]) => Promise<number>

function commands(ended: (exitCode: number) => void, helps: (text: string) => void): Command {
  const program = new Command('pointsman')
  program
    .description('Keeps a Linux load balancer (IPVS) in step with the service registry.')
    .exitOverride()
    // Otherwise --version behind a command would be taken for this one and the command would run.
    .enablePositionalOptions()
    .option('--version', 'the same as the command version')
    .configureOutput({ writeOut: helps, outputError: (text, write) => write(text.replace(/^error: /, 'pointsman: ')) })
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 2 usage, 10 changes planned, 11 something left out; the others are listed in docs/exit-codes.md.',
    )
  const command = (name: string, description: string, load: () => Promise<{ run: Action }>): Command =>
    program
      .command(name)
      .description(description)
      .allowExcessArguments(false)
      // A command's arguments stand before its options, which stand before the command itself.
      .action(async (...parsed: unknown[]) =>
        ended(await (await load()).run(parsed.at(-2) as never, ...(parsed.slice(0, -2) as never[]))),
      )

  const start = command('start', 'run the daemon', () => import('./start.ts'))
  const once = command('once', 'bring the kernel into the configured state in one pass, then end', () => import('./once.ts'))
  const plan = command('plan', 'show what would change; exit code 10 when something would', () => import('./plan.ts'))
  const apply = command('apply', 'bring the kernel into the state of one file, then end', () => import('./apply.ts'))
  const get = command('get', "print the kernel's table as a configuration", () => import('./get.ts'))
  const validate = command('validate', 'check a configuration; needs no root', () => import('./validate.ts'))
  const doctor = command('doctor', 'check this host: kernel, rights, sysctls, other writers', () => import('./doctor.ts'))
  const approve = command(
    'approve',
    'let go what a running daemon holds of a service: removals and failures',
    () => import('./approve.ts'),
  )
  const adopt = command('adopt', 'take over the foreign backends of a service, to drain', () => import('./adopt.ts'))
  const pause = command('pause', 'have a running daemon write nothing to the kernel', () => import('./pause.ts'))
  const resume = command('resume', 'end a pause', () => import('./resume.ts'))
  const drain = command('drain', 'let a backend finish what it has: no new connections', () => import('./drain.ts'))
  const maintenance = command('maintenance', 'take a backend out at once', () => import('./maintenance.ts'))
  const undrain = command('undrain', 'take back a drain or a maintenance', () => import('./undrain.ts'))
  const weight = command('weight', 'set the weight of a backend, or take it back', () => import('./weight.ts'))
  const status = command('status', 'show how services and their backends stand', () => import('./status.ts'))
  const why = command('why', 'show why a backend has the weight that it has', () => import('./why.ts'))
  const importing = command('import', 'make a configuration of what another tool has', () => import('./import.ts'))
  const replay = command('replay', 'show what a journal makes of its own, or another, configuration', () => import('./replay.ts'))
  const version = command('version', 'print which version runs', () => import('./version.ts'))

  for (const each of [start, once, doctor]) config(each)
  for (const each of [plan, validate]) {
    config(each)
    const file = new Option('-f, --file <file>', 'the same as --config; - is standard input')
    each.addOption(file.argParser(fileNameOf('--file')).conflicts('config'))
  }
  for (const each of [start, validate]) settings(each, Object.keys(SETTING_FLAGS) as SettingName[])
  for (const each of [once, plan, apply, doctor]) settings(each, ['state_dir', 'kernel_deadline'])
  for (const each of [get, importing]) settings(each, ['state_dir', 'kernel_deadline'])
  for (const each of [approve, adopt, pause, resume, drain, maintenance, undrain, weight, status, why])
    settings(each, ['state_dir'])
  for (const each of [approve, adopt]) each.argument('<service>', 'its name in the configuration')
  for (const each of [drain, maintenance, undrain]) {
    each.argument('[service]', 'its name in the configuration').argument('[backend...]', 'address:port; all of them by default')
    each.option('--all-services <host>', 'in place of a service: a host, address or address:port, wherever it is a backend')
  }
  weight.argument('<service>', 'its name in the configuration').argument('<backend>', 'address:port')
  weight.argument('[weight]', '0 to 65535')
  for (const each of [pause, drain, maintenance, weight]) {
    each.option('--reason <text>', 'why; shown wherever the word is')
    each.option('--for <duration>', 'how long it counts; until it is taken back by default')
  }
  for (const each of [drain, maintenance, weight])
    each.option('--force', 'also where no backend of a service would serve any more')
  drain.option('--wait', 'wait until the last connection has ended')
  drain.option('--timeout <duration>', 'how long --wait waits', '5m')
  weight.option('--over <duration>', 'reach it in steps, the last one after this time')
  weight.option('--steps <number>', 'how many steps; 10 by default')
  weight.option('--unset', 'take the weight back')
  status.argument('[service]', 'its name in the configuration; all of them by default')
  why.argument('<service>', 'its name in the configuration').argument('<backend>', 'address:port')
  start.option('--shadow', 'write nothing, and tell what would be written: beside another balancer')
  start.option('--journal <file>', 'write down all that is decided upon, for replay', fileNameOf('--journal'))
  start.option('--journal-limit <size>', `set the journal aside as FILE.1 above this size; ${JOURNAL_LIMIT} by default`)
  replay.argument('<file>', 'what `start --journal` wrote; - is standard input')
  replay.option('-c, --config <file>', 'a configuration in place of the recorded one', fileNameOf('--config'))
  importing.addArgument(new Argument('<tool>', 'what it is of').choices(['keepalived', 'ipvsadm', 'ezlb', 'ipvsctl', 'kglb']))
  importing.argument('[file]', 'what is read; - is standard input. ipvsadm: the live table by default')
  importing.option('-o, --output <file>', 'write the configuration there, not to standard output', fileNameOf('--output'))
  importing.option('--force', 'also where that file is there already')
  importing.option('--params-file <file>', 'ipvsctl: a file that it was given as parameters; may be repeated', oneMore)
  importing.option('--params-url <url>', 'ipvsctl: the same, of a web server; may be repeated', oneMore)
  importing.option('--config-id <name>', 'keepalived: whose lines count, of those that begin with @')
  for (const each of [
    importing,
    once,
    plan,
    apply,
    get,
    validate,
    doctor,
    approve,
    adopt,
    pause,
    resume,
    drain,
    maintenance,
    undrain,
    weight,
    status,
    why,
    replay,
    version,
  ])
    each.option('--json', 'print JSON for programs')
  for (const each of [plan, doctor, status, why]) colour(each)
  apply
    .requiredOption(
      '-f, --file <file>',
      'the desired state, written like a configuration; - is standard input',
      fileNameOf('--file'),
    )
    .option('--keep-weights', 'leave the weights of destinations that the kernel holds as they are, 0 included')
    .option('--allowed-actions <list>', 'refuse the whole run if it needs others: as,us,ds,ad,ud,dd or *', '*')
  once.option('--no-probes', 'ask no backend; its weight is the one before its first answer')
  plan.option('--probes', 'ask the backends, as once does')
  for (const each of [once, plan])
    each.option('--probe-timeout <duration>', 'how long asking the backends may take; 10s by default')
  // So that a command line of start is one of validate, but for that word.
  for (const each of ['--shadow', '--journal <file>', '--journal-limit <size>']) validate.addOption(new Option(each).hideHelp())
  return program
}

function config(command: Command): void {
  command.option('-c, --config <file>', 'configuration file', fileNameOf('--config'), DEFAULT_CONFIG)
}

/** Refuses what commander would take: an empty name, as an unset variable of a script leaves it. */
function fileNameOf(option: string): (text: string) => string {
  return (text) => {
    if (text === '') throw new PointsmanError('BAD_INPUT', `${option} is empty: write the name of a file.`)
    return text
  }
}

/** An option that may be repeated. */
function oneMore(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

function colour(command: Command): void {
  command.addOption(
    new Option('--color <when>', 'colours: auto, always or never; NO_COLOR is honoured').argParser(when).default('auto'),
  )
}

function when(text: string): string {
  if (['auto', 'always', 'never'].includes(text)) return text
  throw new PointsmanError('BAD_INPUT', `--color: ${JSON.stringify(text)} is not known; write auto, always or never.`)
}

function settings(command: Command, names: readonly SettingName[]): void {
  for (const name of names) {
    const { placeholder, help } = SETTING_FLAGS[name]
    command.option(`--${name.replaceAll('_', '-')} <${placeholder}>`, help)
  }
}
