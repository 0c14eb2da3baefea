/** Says that something is ready, and offers what people do with it next. */
import * as vscode from 'vscode';
import type { Clone, Environment, Job } from '../../engine/protocol/entities.ts';
import { runCommand } from '../commands/runCommand.ts';
import type { Services } from '../services.ts';
import { sizeOf } from '../views/amounts.ts';
import { makesFullCopies } from '../views/hostRows.ts';

/** Who waited longer has turned to other work meanwhile. */
const noticeableMs = 10_000;

const tookLong = ({ startedAt, endedAt }: Job): boolean =>
  startedAt !== null && endedAt !== null && Date.parse(endedAt) - Date.parse(startedAt) >= noticeableMs;

interface Offer {
  readonly title: string;
  run(): Promise<void>;
}

/** Resolves when somebody has answered; commands do not wait for it. */
async function offer(text: string, offers: readonly Offer[]): Promise<void> {
  const chosen = await vscode.window.showInformationMessage(text, ...offers.map(({ title }) => title));
  await offers.find(({ title }) => title === chosen)?.run();
}

/** The end of a refresh that took its time. */
export function tellRefreshed(services: Services, { name, definition }: Environment, job: Job): void {
  const { snapshots, hosts } = services.session.model;
  const isFirst = [...snapshots.values()].filter(({ environment }) => environment === name).length <= 1;
  const makesFull = makesFullCopies(hosts.values()) && definition.host === 'local';
  if (!tookLong(job) && !(isFirst && makesFull)) return;
  const snapshot = snapshots.get(job.object.id);
  const size = snapshot?.bytes.logical == null ? '' : `, ${sizeOf(snapshot.bytes.logical)}`;
  const full = makesFull ? ' Each clone of it is a full copy here, and takes as much room.' : '';
  void offer(`${name} is ready${size}.${full}`, [
    {
      title: 'Create Clone',
      run: () => runCommand('thinClones.clone.create', { kind: 'environment', key: name }),
    },
    ...(makesFull ? [{ title: 'Make Clones Thin', run: () => runCommand('thinClones.storage.setUp') }] : []),
  ]);
}

export function tellCreated(services: Services, { id, name }: Pick<Clone, 'id' | 'name'>): void {
  const row = { kind: 'clone', key: id } as const;
  const { checkouts } = services;
  const used = checkouts.follower.places().find(({ checkout }) => checkout.clone === id);
  const followsOthers = used === undefined && checkouts.follower.places().length > 0;
  void offer(`Clone ${name} is ready.`, [
    { title: 'Copy URL', run: () => runCommand('thinClones.clone.copyUrl', row) },
    { title: 'Open psql', run: () => runCommand('thinClones.clone.openPsql', row) },
    // The variables of a checkout lead to its branch's clone: of no use for another one.
    ...(checkouts.folders().length === 0 || followsOthers
      ? []
      : [
          {
            title: 'Write Variables',
            run: () =>
              used === undefined
                ? runCommand('thinClones.branch.writeVariables')
                : runCommand('thinClones.branch.writeVariables', { folder: used.folder.key }),
          },
        ]),
  ]);
}
