/** Waits for the end of a job of another host, for as long as that takes and the host is joined. */
import type { Job } from '../protocol/entities.ts';
import { fail, isFailure } from '../protocol/errors.ts';
import { referenceSchema, type JobId } from '../protocol/ids.ts';
import type { HostView } from './qualified.ts';
import type { RemoteHost } from './remoteHost.ts';

/** By its events; by asking for it where they told nothing of it. Rejects when the host is joined no longer. */
export async function endOfJob(
  host: RemoteHost,
  view: () => HostView,
  id: JobId,
): Promise<Pick<Job, 'state' | 'error'>> {
  for (;;) {
    const changed = nextWordOf(host, id);
    const known = view().jobs.find((each) => each.id === id);
    if (known !== undefined && known.endedAt !== null) return known;
    if (known === undefined) {
      const shown = await shownJob(host, id);
      if (shown !== undefined && shown.endedAt !== null) return shown;
    }
    await changed;
  }
}

async function shownJob(host: RemoteHost, id: JobId): Promise<Job | undefined> {
  try {
    return await host.call('jobShow', { params: { job: referenceSchema.parse(id) } }, { user: 'engine' });
  } catch (error) {
    // Its end is told when the host is reached again.
    if (isFailure(error, 'not_found') || host.closed.aborted) throw error;
    return undefined;
  }
}

/** Resolves when something is told of a job, or everything may be different. */
function nextWordOf(host: RemoteHost, id: JobId): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const stop = host.subscribe((event) => {
    const isOfIt =
      event.kind === 'job' ? event.entity.id === id : event.kind === 'job.removed' && event.id === id;
    if (isOfIt || event.kind === 'resync') resolve(undefined);
  });
  const onClosed = (): void => reject(fail('shutting_down', {}));
  if (host.closed.aborted) onClosed();
  host.closed.addEventListener('abort', onClosed, { once: true });
  const settled = promise
    .then(() => undefined)
    .finally(() => {
      stop();
      host.closed.removeEventListener('abort', onClosed);
    });
  // best effort: whoever waits for it is told; nobody may be waiting yet
  settled.catch(() => undefined);
  return settled;
}
