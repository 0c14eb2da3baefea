/** Finds the job that a command is about. */
import * as vscode from 'vscode';
import type { Job } from '../../engine/protocol/entities.ts';
import type { Services } from '../services.ts';
import { ageOf, percentOf } from '../views/amounts.ts';
import { keyOfRow, rowId } from '../views/rowId.ts';
import { isUnfinished, treeState } from '../views/treeRows.ts';
import { pickValue } from './pick.ts';

const icons: Record<Job['state'], string> = {
  queued: 'clock',
  running: 'sync~spin',
  succeeded: 'pass',
  failed: 'error',
  cancelled: 'circle-slash',
};

/** `argument`: `{kind: 'job', key}` from a message, or a row whose object a job works on. */
export function jobMeant(services: Services, argument: unknown): Job | undefined {
  const { model } = services.session;
  if (typeof argument === 'object' && argument !== null && 'kind' in argument && argument.kind === 'job') {
    return 'key' in argument ? model.jobs.get(String(argument.key)) : undefined;
  }
  for (const kind of ['clone', 'snapshot', 'environment'] as const) {
    const key = keyOfRow(argument, kind);
    if (key === undefined) continue;
    const running = treeState(model, Date.now()).work.get(rowId({ kind, key }));
    if (running !== undefined) return running;
    return [...model.jobs.values()]
      .filter(({ object }) => object.kind === kind && object.id === key)
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
  }
  return undefined;
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
