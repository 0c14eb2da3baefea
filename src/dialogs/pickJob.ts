/** Finds the job that a command is about. */
import * as vscode from 'vscode';
import type { Job } from '../../engine/protocol/entities.ts';
import type { JobReference } from '../commands/commandIds.ts';
import type { Services } from '../services.ts';
import { ageOf, percentOf } from '../views/amounts.ts';
import { rowsOfJob } from '../views/refreshes.ts';
import { rowId } from '../views/rowId.ts';
import { isUnfinished, treeState } from '../views/treeRows.ts';
import { pickValue } from './pick.ts';

const icons: Record<Job['state'], string> = {
  queued: 'clock',
  running: 'sync~spin',
  succeeded: 'pass',
  failed: 'error',
  cancelled: 'circle-slash',
};

/** The job itself, or of a row the one that works on its object now, else the newest. */
export function jobMeant(services: Services, reference: JobReference | undefined): Job | undefined {
  const { model } = services.session;
  if (reference === undefined) return undefined;
  const { kind, key } = reference;
  if (kind === 'job') return model.jobs.get(key);
  return (
    treeState(model, Date.now()).work.get(rowId({ kind, key })) ??
    [...model.jobs.values()]
      .filter((job) => rowsOfJob(job).includes(rowId({ kind, key })))
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0]
  );
}

export async function pickJob(
  services: Services,
  {
    title,
    placeHolder,
    accept = () => true,
  }: { title: string; placeHolder: string; accept?: (job: Job) => boolean },
): Promise<Job | undefined> {
  await services.client();
  const jobs = [...services.session.model.jobs.values()]
    .filter(accept)
    .sort(
      (a, b) => Number(isUnfinished(b)) - Number(isUnfinished(a)) || (a.createdAt < b.createdAt ? 1 : -1),
    );
  if (jobs.length === 0) {
    void vscode.window.showInformationMessage('There is no such job.');
    return undefined;
  }
  return await pickValue(
    jobs.map((value) => ({
      label: `$(${icons[value.state]}) ${value.title}`,
      description: isUnfinished(value)
        ? `${percentOf(value.progress)} · ${value.createdBy}`
        : `${value.state} · ${ageOf(value.endedAt ?? value.createdAt, Date.now())} · ${value.createdBy}`,
      ...(value.error !== null && { detail: value.error.message }),
      value,
    })),
    { title, placeHolder },
  );
}
