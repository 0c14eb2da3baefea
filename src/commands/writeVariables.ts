/** Keeps the variables in a marked block of a file of the checkout, or takes the block out again. */
import { readdir } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { isFailure, toFailure } from '../../engine/protocol/errors.ts';
import { pickValue } from '../dialogs/pick.ts';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import type { FolderReference } from './commandIds.ts';

const title = 'Write Variables to File';
type Choice = { readonly file: string } | 'other' | 'remove';

export async function writeVariables(services: Services, folder?: FolderReference): Promise<void> {
  const place = await pickPlace(services, folder, title);
  if (place === undefined) return;
  const file = await askFile(place.checkout);
  if (file === undefined) return;
  const written = await write(services, place.checkout, file);
  if (written === undefined) return;
  const text = file === null ? 'The block was taken out' : `${file} has the variables, and is kept right`;
  vscode.window.setStatusBarMessage(`$(check) ${text}`, 4000);
}

/** A path in the checkout; null: the block is taken out; undefined: left. */
async function askFile(checkout: Checkout): Promise<string | null | undefined> {
  const present = checkout.envFile;
  const found = await envFilesIn(checkout.path);
  const first = present?.file ?? '.env';
  const names = [first, ...found.filter((name) => name !== first)];
  const state = (name: string): string => {
    if (name === present?.file) {
      return present.state === 'written' ? 'has the block' : (present.problem ?? 'waits for your consent');
    }
    return found.includes(name) ? '' : 'is made';
  };
  const choice = await pickValue<Choice>(
    [
      ...names.map((file) => ({ label: `$(file) ${file}`, description: state(file), value: { file } })),
      { label: '$(edit) Another file…', value: 'other' as const },
      ...(present === null
        ? []
        : [{ label: `$(trash) Take the block out of ${present.file}`, value: 'remove' as const }]),
    ],
    { title, placeHolder: 'Which file gets a block with the variables? Its other lines stay as they are.' },
  );
  if (choice === 'remove') return null;
  if (choice !== 'other') return choice?.file;
  return await vscode.window.showInputBox({
    title,
    prompt: `Path below ${checkout.path}`,
    value: '.env.local',
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === '' ? 'Type the path of a file.' : undefined),
  });
}

async function envFilesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && /^\.env(\.[\w.-]+)?$/.test(entry.name))
      .map(({ name }) => name)
      .filter((name) => !/\.(example|sample|template|dist)$/.test(name))
      .sort();
  } catch (error) {
    throw toFailure(error);
  }
}

/** A file that Git tracks takes the password along with the next commit: only with consent. */
async function write(
  services: Services,
  checkout: Checkout,
  file: string | null,
): Promise<Checkout | undefined> {
  const client = await services.client();
  const params = { checkout: checkout.id };
  try {
    return await client.call('checkoutEnvFile', { params, body: { file } });
  } catch (error) {
    if (!isFailure(error, 'env_file_tracked')) throw error;
    const anyway = 'Write Anyway';
    const chosen = await vscode.window.showWarningMessage(
      `${file ?? ''} is tracked by Git.`,
      {
        modal: true,
        detail:
          'The block holds the password of your clones, which listen on this machine only. With the next commit everybody who can read the repository reads it. A file that Git ignores is the better place.',
      },
      anyway,
    );
    if (chosen !== anyway) return undefined;
    return await client.call('checkoutEnvFile', { params, body: { file, allowTracked: true } });
  }
}
