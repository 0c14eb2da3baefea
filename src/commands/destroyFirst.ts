/** Goes the whole way where clones keep something from being deleted: names them before anything is refused, and destroys them if that is wanted. */
import * as vscode from 'vscode';
import type { Clone } from '../../engine/protocol/entities.ts';
import { fail } from '../../engine/protocol/errors.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { Refused } from '../dialogs/failures.ts';
import { runJob } from '../dialogs/followJob.ts';
import { openPage } from '../documents.ts';
import type { Services } from '../services.ts';
import { ageOf, countOf, someOf } from '../views/amounts.ts';
import { escaped } from '../views/markdown.ts';
import { isProtected } from '../views/treeRows.ts';

export const namesOf = (clones: readonly Clone[]): string =>
  someOf(
    clones.map(({ name }) => name),
    4,
  );

export interface DestroyFirst {
  /** "Snapshot nightly": what is deleted in the end. */
  readonly about: string;
  readonly message: string;
  readonly detail: string;
  /** The title of the page with all of them. */
  readonly page: string;
}

/**
 * Resolves with whether all of them are gone. Asked whatever the settings say, as they speak of less than this. Throws
 * `Refused` instead of asking when one of them is.
 */
export async function destroyFirst(
  services: Services,
  clones: readonly Clone[],
  { about, message, detail, page }: DestroyFirst,
): Promise<boolean> {
  const guarded = clones.find((clone) => isProtected(clone, Date.now()));
  if (guarded !== undefined) {
    const { name, protectedUntil } = guarded;
    const cause = fail('clone_protected', { clone: name, until: protectedUntil ?? 'forever' });
    throw new Refused(`${about} can't be deleted`, cause);
  }
  const destroy = `Destroy ${countOf(clones.length, 'clone')} and Delete`;
  const show = 'Show Clones';
  // Enter presses the first: what was asked for is less than what the other one does.
  const chosen = await vscode.window.showWarningMessage(message, { modal: true, detail }, show, destroy);
  if (chosen === show) await openPage(page, `# ${escaped(page)}\n\n${clones.map(lineOf).join('\n')}\n`);
  if (chosen !== destroy) return false;
  const outcomes = await Promise.allSettled(
    clones.map(({ id }) =>
      runJob(services, (client, options) =>
        client.call('cloneDestroy', { params: { clone: referenceSchema.parse(id) } }, options),
      ),
    ),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  // One that was canceled is still there.
  return outcomes.every((outcome) => outcome.status === 'fulfilled' && outcome.value !== undefined);
}

const lineOf = ({ name, branch, createdBy, createdAt }: Clone): string =>
  `- ${escaped(name)}${branch === null ? '' : `, branch ${escaped(branch)}`}: by ${escaped(createdBy)}, ${ageOf(createdAt, Date.now())}`;
