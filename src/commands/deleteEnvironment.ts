/** Deletes an environment together with its snapshots. */
import * as vscode from 'vscode';
import type { Clone } from '../../engine/protocol/entities.ts';
import { fail } from '../../engine/protocol/errors.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { confirmLoss } from '../dialogs/confirm.ts';
import { openPage } from '../documents.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickEnvironment } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { ageOf, countOf, someOf } from '../views/amounts.ts';
import { escaped } from '../views/markdown.ts';
import { isProtected } from '../views/treeRows.ts';
import type { EnvironmentRow } from './commandIds.ts';

export async function deleteEnvironment(services: Services, row?: EnvironmentRow): Promise<void> {
  const environment = await pickEnvironment(services, row, {
    title: 'Delete Environment',
    placeHolder: 'Which environment is no longer needed?',
  });
  if (environment === undefined) return;
  const { name } = environment;
  const { clones, snapshots } = services.session.model;
  const count = [...snapshots.values()].filter((snapshot) => snapshot.environment === name).length;
  const itsClones = [...clones.values()].filter((clone) => clone.environment === name);
  const rest = `Its definition and ${count === 0 ? 'its saved passwords are' : `its ${countOf(count, 'snapshot')} are`} gone for good. The sources are not touched.`;
  if (itsClones.length > 0) {
    if (!(await destroyAll(services, name, itsClones, rest))) return;
  } else {
    const answer = await confirmLoss({
      ...{
        about: 'deleteEnvironment',
        message: `Delete environment ${name}?`,
        detail: rest,
        action: 'Delete',
      },
    });
    if (answer === undefined) return;
  }
  const job = await runJob(services, (client, options) =>
    client.call(
      'environmentDelete',
      { params: { environment: referenceSchema.parse(environment.name) } },
      options,
    ),
  );
  if (job !== undefined) await services.passwords.forget(environment);
}

/** The whole way: with clones the engine deletes no environment. Asked whatever the settings say, as they speak of less than this. */
async function destroyAll(
  services: Services,
  name: string,
  clones: readonly Clone[],
  rest: string,
): Promise<boolean> {
  const guarded = clones.find((clone) => isProtected(clone, Date.now()));
  if (guarded !== undefined)
    throw fail('clone_protected', { clone: guarded.name, until: guarded.protectedUntil ?? 'forever' });
  const counted = countOf(clones.length, 'clone');
  const names = clones.map((clone) => clone.name);
  const destroy = `Destroy ${counted} and Delete`;
  const show = 'Show Clones';
  const chosen = await vscode.window.showWarningMessage(
    `Delete environment ${name} with its ${counted}?`,
    { modal: true, detail: `${counted}: ${someOf(names, 4)}. Their data is gone for good.\n\n${rest}` },
    destroy,
    show,
  );
  if (chosen === show)
    await openPage(`Clones of ${name}`, `# Clones of ${escaped(name)}\n\n${clones.map(lineOf).join('\n')}\n`);
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
