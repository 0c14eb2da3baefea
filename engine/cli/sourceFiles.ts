/** Says when a `.env` file of a checkout still leads to the source that its clone was made of. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Checkout } from '../protocol/entities.ts';
import { readRegularText } from '../protocol/node/regularFile.ts';
import { isSettingsFile, largestEnvFile, sourceVariables } from '../protocol/sourceVariables.ts';
import { printable } from './format.ts';
import type { Session } from './session.ts';

/** In the top folder of the checkout, and in the present one when that lies in it. */
function envFiles(checkout: string, present: string): string[] {
  const isInside = !relative(checkout, present).startsWith('..');
  return [...new Set([checkout, ...(isInside ? [present] : [])])].flatMap((folder) => {
    try {
      return readdirSync(folder)
        .filter(isSettingsFile)
        .sort()
        .map((name) => join(folder, name));
    } catch {
      // best effort: a folder that can't be listed is no reason to fail a command that has done its work
      return [];
    }
  });
}

async function textOf(path: string): Promise<string> {
  try {
    return await readRegularText(path, { links: 'followed', maxBytes: largestEnvFile });
  } catch {
    // best effort: what this command can't read, it can't speak about
    return '';
  }
}

/** On stderr. `given`: names of variables that a program gets from us, which count more than a file. */
export async function noteSources(
  session: Session,
  { path, environment, envFile, variables }: Checkout,
  given: readonly string[] = [],
): Promise<void> {
  const { output, signal, surroundings } = session;
  const files = envFile?.state === 'written' ? [] : envFiles(path, surroundings.cwd);
  if (files.length === 0 || environment === null) return;
  const client = await session.client();
  const { items } = await client.call('environmentList', {}, { signal });
  const definition = items.find(({ name }) => name === environment)?.definition;
  if (definition === undefined) return;
  for (const file of files) {
    const name = relative(path, file);
    for (const { line, variable, member } of sourceVariables(await textOf(file), definition)) {
      if (given.includes(variable)) continue;
      const next = Object.hasOwn(variables, variable)
        ? `Keep the checkout's variables there: thin-clones env vars --write ${name}`
        : `Give it the checkout's value, below workspace: in thin-clones.yaml: variables: { ${variable}: '{${member}.url}' }`;
      output.note(
        printable(
          `${name}:${line}: ${variable} leads to the source of ${environment}: what reads this file works on the real database. ${next}`,
        ),
      );
    }
  }
}
