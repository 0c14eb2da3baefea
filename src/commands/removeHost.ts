/** Forgets another machine: what is there stays, and goes on, unless it holds nothing and is to be left as it was. */
import * as vscode from 'vscode';
import { referenceSchema, type HostName } from '../../engine/protocol/ids.ts';
import { pickHost } from '../dialogs/pick.ts';
import { answerQuestions } from '../hosts/questions.ts';
import type { Services } from '../services.ts';
import { countOf, someOf } from '../views/amounts.ts';
import { plain } from '../views/markdown.ts';
import type { RowOf } from '../views/rowId.ts';

const pickOther = (services: Services, row: RowOf<'host'> | undefined, title: string) =>
  pickHost(services, row, title, {
    accept: ({ kind }) => kind !== 'local',
    none: 'No other machine is joined yet.',
  });

export async function removeHost(services: Services, row?: RowOf<'host'>): Promise<void> {
  const host = await pickOther(services, row, 'Remove Host');
  if (host === undefined) return;
  const { name } = host;
  const { environments, clones, snapshots } = services.session.model;
  const isThere = (environment: string): boolean => environments.get(environment)?.definition.host === name;
  const count = (items: Iterable<{ readonly environment: string }>): number =>
    [...items].filter(({ environment }) => isThere(environment)).length;
  const cloneCount = count(clones.values());
  const remove = 'Remove';
  const chosen = await vscode.window.showWarningMessage(
    `Remove host ${name}?`,
    {
      modal: true,
      detail: [
        `It is only forgotten on this machine. Its engine, ${countOf(cloneCount, 'clone')} and ${countOf(count(snapshots.values()), 'snapshot')} stay at ${host.address ?? name} and go on: they are here again when you add it again.`,
        ...(cloneCount === 0
          ? []
          : ['Addresses on this machine that lead to its clones lead nowhere from then on.']),
      ].join('\n\n'),
    },
    remove,
  );
  if (chosen !== remove) return;
  const client = await services.client();
  await client.call('hostRemove', { params: { host: referenceSchema.parse(name) } });
  vscode.window.setStatusBarMessage(`$(check) Host ${name} is forgotten here`, 5000);
}

/** The engine refuses it while there is anything that could be lost. */
export async function uninstallHost(services: Services, row?: RowOf<'host'>): Promise<void> {
  const host = await pickOther(services, row, 'Remove and Uninstall Host');
  if (host === undefined) return;
  const { name } = host;
  const remove = 'Remove and Uninstall';
  const chosen = await vscode.window.showWarningMessage(
    `Remove host ${name}, and the engine there?`,
    {
      modal: true,
      detail: `Its engine ends, and what was brought to ${host.address ?? name} is removed there. While it holds environments, snapshots or clones it is refused, and nothing else there is touched.`,
    },
    remove,
  );
  if (chosen !== remove) return;
  const left = await uninstall(services, name);
  if (left.length === 0) vscode.window.setStatusBarMessage(`$(check) Host ${name} is as it was before`, 5000);
  else
    void vscode.window.showInformationMessage(
      `Host ${name} is forgotten, and the engine is removed there. Not ours, and left there: ${plain(someOf(left))}.`,
    );
}

/** What its login asks is asked here. */
async function uninstall(services: Services, name: HostName): Promise<readonly string[]> {
  const client = await services.client();
  const questions = answerQuestions({
    ...{ services, client, host: name },
    onAside: () => undefined,
    onProblem: (error) => services.log.error('An answer to a login', error),
  });
  try {
    const { left = [] } = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: `Removing the engine on host ${name}` },
      () =>
        client.call('hostRemove', {
          params: { host: referenceSchema.parse(name) },
          query: { uninstall: 'yes', questions: 'yes' },
        }),
    );
    return left;
  } finally {
    questions.dispose();
  }
}
