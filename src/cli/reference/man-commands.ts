import { SETTING_DEFINITIONS, SETTING_NAMES, variableOf } from '../../config/setting-definitions.ts'
import { EXIT } from '../../errors.ts'
import type { CommandPage, OptionPage } from './command-pages.ts'
import { bold, italic, item, roffText, titleLine } from './roff.ts'

const PURPOSE = 'keeps a Linux load balancer (IPVS) in step with the service registry'

const EXPLAINED: Readonly<Partial<Record<keyof typeof EXIT, string>>> = {
  ok: 'done; for plan: nothing would change',
  usage: 'the command line is not understood',
  changesPlanned: 'plan: something would change',
  noIpvs: 'this kernel has no IPVS',
  noPermission: 'rights are missing (CAP_NET_ADMIN, or those to the admin socket)',
  applyFailed: 'some objects could not be programmed; the others were',
  invalid: 'a configuration is not valid',
  tableHeld: 'another process writes this table',
  stateUnusable: 'the state directory cannot be used',
  doctorFailed: 'doctor: a check failed',
  noDaemon: 'no daemon answers in the state directory',
}

/** pointsman(1), from what the program says of its commands. */
export function manOfCommands(pages: readonly CommandPage[]): string {
  return `${[
    titleLine('POINTSMAN', 1),
    '.SH NAME',
    `pointsman \\- ${roffText(PURPOSE)}`,
    '.SH SYNOPSIS',
    `.B pointsman\n${italic('command')} [${italic('argument')}...] [${italic('option')}...]`,
    '.SH DESCRIPTION',
    'Reads where the backends of virtual services are (Consul, DNS, an HTTP server, files), asks with probes of its own which of them',
    "work, and makes the kernel's IPVS table follow, without cutting a connection and without touching what is not its own.",
    `The configuration is described in ${bold('pointsman.yaml')}(5).`,
    '.SH COMMANDS',
    ...pages.map(commandSection),
    '.SH ENVIRONMENT',
    'Settings that also have an option; the option beats the variable, which beats the file.',
    ...SETTING_NAMES.map((name) => item(bold(variableOf(name)), roffText(SETTING_DEFINITIONS[name].description))),
    '.SH EXIT STATUS',
    ...Object.entries(EXPLAINED).map(([name, text]) => item(bold(String(EXIT[name as keyof typeof EXIT])), roffText(text))),
    '.PP\nThe others are in the exit code page of the documentation; a message on standard error says more.',
    '.SH FILES',
    item(italic('/etc/pointsman/pointsman.yaml'), 'The configuration.'),
    item(
      italic('/var/lib/pointsman'),
      'What is ours in the kernel, the last good answers, the words of the operator, and the admin socket of the daemon.',
    ),
    '.SH SIGNALS',
    item(bold('SIGHUP'), 'The daemon reads its configuration again; one that is not valid is refused and the running one stays.'),
    item(
      bold('SIGTERM'),
      `The daemon ends; what it has programmed stays in the kernel unless ${bold('on_exit')} says otherwise.`,
    ),
    '.SH SEE ALSO',
    `${bold('pointsman.yaml')}(5), ${bold('ipvsadm')}(8)`,
  ].join('\n')}\n`
}

function commandSection({ name, description, positionals, options }: CommandPage): string {
  const usage = [name, ...positionals.map((positional) => positional.usage), ...(options.length > 0 ? ['[option...]'] : [])]
  return [
    `.SS ${roffText(usage.join(' '))}`,
    roffText(`${description.charAt(0).toUpperCase()}${description.slice(1)}.`),
    ...positionals.map((positional) => item(italic(positional.usage), roffText(sentence(positional.description)))),
    ...options.map((option) => item(optionLabel(option), roffText(sentence(withInitial(option))))),
  ].join('\n')
}

function optionLabel({ short, long, placeholder }: OptionPage): string {
  const names = [short, long].filter((name) => name !== undefined).map(bold)
  return `${names.join(', ')}${placeholder === undefined ? '' : ` ${italic(placeholder)}`}`
}

function withInitial({ description, initial }: OptionPage): string {
  return initial === undefined || description.includes('by default') ? description : `${description}; ${initial} by default`
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}
