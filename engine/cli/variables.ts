/** `thin-clones env vars`: the variables of a checkout with their values, for programs, shells and `.env` files. */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { Option, type Command } from 'commander';
import type { Checkout } from '../protocol/entities.ts';
import { quoted } from '../protocol/envValue.ts';
import { fail } from '../protocol/errors.ts';
import { expandVariables } from '../protocol/variables.ts';
import { printable } from './format.ts';
import type { Session } from './session.ts';
import { findCheckout, openCheckout, refuseHeld } from './workingTree.ts';

export const variableFormats = ['env', 'shell', 'json', 'fish', 'powershell'] as const;
export type VariableFormat = (typeof variableFormats)[number];

/** With passwords in them: for an environment or an output that somebody asked for. */
export async function variablesOf(session: Session, checkout: Checkout): Promise<Record<string, string>> {
  const client = await session.client();
  const params = { checkout: checkout.id };
  const { items } = await client.call('checkoutConnection', { params }, { signal: session.signal });
  const values = expandVariables(checkout.variables, items);
  for (const [name, value] of Object.entries(values)) {
    if (!value.includes('\0')) continue;
    throw fail('usage', {
      problem: `Variable ${name} has a null character in it, which no environment can carry.`,
      hint: 'Correct it in thin-clones.yaml.',
    });
  }
  return values;
}

function line(name: string, value: string, format: Exclude<VariableFormat, 'json'>): string {
  switch (format) {
    case 'env': {
      const written = quoted(value);
      if (written === null)
        throw fail('usage', {
          problem: `Variable ${name} can't be written in a .env file so that every program reads the same.`,
          hint: 'Use --format shell or --format json.',
        });
      return `${name}=${written}`;
    }
    case 'shell':
      return `export ${name}='${value.replaceAll("'", "'\\''")}'`;
    case 'fish':
      return `set -gx ${name} '${value.replace(/[\\']/g, (c) => `\\${c}`)}'`;
    case 'powershell':
      // PowerShell takes typographic quotes for quotes too (about_Quoting_Rules); doubled they stand for themselves.
      return `$env:${name} = '${value.replace(/['\u2018-\u201b]/g, (c) => c + c)}'`;
  }
}

export function formatVariables(values: Readonly<Record<string, string>>, format: VariableFormat): string {
  if (format === 'json') return JSON.stringify(values, null, 2);
  return Object.entries(values)
    .map(([name, value]) => line(name, value, format))
    .join('\n');
}

/** The path of a file, as typed, from the top of the working tree. */
function inTree({ surroundings }: Session, tree: string, file: string): string {
  const typed = resolve(surroundings.cwd, file);
  let folder = dirname(typed);
  try {
    folder = realpathSync(folder);
  } catch {
    // best effort: a folder that is not there is told by the engine, with its name
  }
  const path = relative(tree, join(folder, basename(typed)));
  if (path === '' || path === '..' || path.startsWith(`..${sep}`) || resolve(tree, path) === path)
    throw fail('usage', {
      problem: `${file} is not inside the checkout ${tree}.`,
      hint: 'Name a file inside it, such as .env.',
    });
  return path.split(sep).join('/');
}

interface VariableOptions {
  format: VariableFormat;
  write?: string;
  allowTracked?: boolean;
  remove?: boolean;
  directory?: string;
}

export function addVariablesCommand(environment: Command, session: Session): void {
  const { output, signal } = session;
  environment
    .command('vars')
    .description("print this checkout's variables with their values, or keep them in a file")
    .addOption(
      new Option('--format <format>', 'how they are printed').choices(variableFormats).default('env'),
    )
    .option('--write <file>', 'keep them in a marked block of this file, e.g. .env, instead')
    .option('--allow-tracked', 'with --write: also when Git tracks the file, and so the password')
    .addOption(new Option('--remove', 'take the block out of the file again').conflicts('write'))
    .option('-C, --directory <dir>', 'a folder of the checkout (default: the present one)')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  $ eval "$(thin-clones env vars --format shell)"',
        '  $ thin-clones env vars --format fish | source',
        '  $ thin-clones env vars --write .env',
      ].join('\n'),
    )
    .action(async (options: VariableOptions) => {
      const { format, write, allowTracked, remove, directory } = options;
      if (allowTracked === true && write === undefined)
        throw fail('usage', {
          problem: '--allow-tracked says nothing without --write.',
          hint: 'Name the file: --write .env',
        });
      const checkout =
        remove === true ? await findCheckout(session, directory) : await openCheckout(session, directory);
      const client = await session.client();
      if (write !== undefined || remove === true) {
        const file = write === undefined ? null : inTree(session, checkout.path, write);
        const body = { file, ...(allowTracked === true ? { allowTracked } : {}) };
        const input = { params: { checkout: checkout.id }, body };
        const changed = await client.call('checkoutEnvFile', input, { signal });
        if (changed.envFile !== null && changed.envFile.problem !== null)
          output.note(printable(changed.envFile.problem));
        output.answer({
          json: changed,
          text: () =>
            file === null
              ? `The block of variables is taken out of ${printable(checkout.envFile?.file ?? 'the file')}.`
              : `${printable(file)} carries ${Object.keys(changed.variables).join(', ')}.`,
        });
        return;
      }
      if (checkout.environment === null)
        throw fail('environment_unchosen', {
          path: checkout.path,
          known: (await client.call('environmentList', {}, { signal })).items.map(({ name }) => name),
        });
      refuseHeld(checkout);
      const values = await variablesOf(session, checkout);
      // They are right on every branch; what they lead to now is another question.
      if (checkout.state !== 'ready' && checkout.reason !== null)
        output.note(printable(`${checkout.reason} ${checkout.next ?? ''}`.trim()));
      if (checkout.problem !== null)
        for (const each of checkout.problem.split('\n')) output.note(printable(each));
      output.answer({ json: values, text: () => formatVariables(values, format) });
    });
}
