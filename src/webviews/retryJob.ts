/** Does again what a job failed to do or was canceled in, where its row in the tree is all that it needs. */
import type { Job } from '../../engine/protocol/entities.ts';
import { runCommand } from '../commands/runCommand.ts';
import type { Model } from '../engine/model.ts';

/** Runs the command that began it; undefined where there is none. */
export function retryOf(job: Job): (() => Promise<void>) | undefined {
  if (job.state !== 'failed' && job.state !== 'cancelled') return undefined;
  const { id } = job.object;
  switch (job.type) {
    case 'environment.refresh': {
      const key = job.environment;
      if (key === null) return undefined;
      return () => runCommand('thinClones.environment.refresh', { kind: 'environment', key });
    }
    case 'environment.delete':
      return () => runCommand('thinClones.environment.delete', { kind: 'environment', key: id });
    case 'snapshot.delete':
      return () => runCommand('thinClones.snapshot.delete', { kind: 'snapshot', key: id });
    case 'snapshot.edit':
      return () => runCommand('thinClones.snapshot.rename', { kind: 'snapshot', key: id });
    case 'clone.rename':
      return () => runCommand('thinClones.clone.rename', { kind: 'clone', key: id });
    case 'clone.reset':
      return () => runCommand('thinClones.clone.reset', { kind: 'clone', key: id });
    case 'clone.start':
      return () => runCommand('thinClones.clone.start', { kind: 'clone', key: id });
    case 'clone.stop':
      return () => runCommand('thinClones.clone.stop', { kind: 'clone', key: id });
    case 'clone.commit':
      return () => runCommand('thinClones.clone.commit', { kind: 'clone', key: id });
    case 'clone.destroy':
      return () => runCommand('thinClones.clone.destroy', { kind: 'clone', key: id });
    // What they made is gone with its name, and so is what they were asked for; of a newer engine's nobody knows here.
    case 'clone.create':
    case 'clone.bind':
    case 'storage.move':
    case 'other':
      return undefined;
  }
}

/** Runs it, and shows the job that this begins. */
export async function retryAndShow(
  job: Job,
  retry: () => Promise<void>,
  model: Pick<Model, 'jobs' | 'onDidChangeJob'>,
  show: (id: string) => Promise<void>,
): Promise<void> {
  const before = new Set(model.jobs.keys());
  const subscription = model.onDidChangeJob((next) => {
    const isIt =
      next.type === job.type &&
      next.environment === job.environment &&
      (job.type === 'environment.refresh' || next.object.id === job.object.id);
    if (!isIt || before.has(next.id)) return;
    subscription.dispose();
    void show(next.id);
  });
  try {
    await retry();
  } finally {
    subscription.dispose();
  }
}
