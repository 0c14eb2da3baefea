/** `npm run bench -- --trace`: every step of one create and one reset, and every call that it made of a port, with its time. */
import { formatTable } from '../support/commands/terminal.ts';
import { followJobs } from '../support/engineClient.ts';
import * as z from 'zod';
import { prepareEnvironment, withStore, type BenchContext } from './clones.ts';

const lineSchema = z.object({
  text: z.literal('trace'),
  call: z.string(),
  subject: z.string(),
  at: z.number(),
  ms: z.number(),
});

function traceLines(log: string): z.infer<typeof lineSchema>[] {
  return log
    .split('\n')
    .filter((line) => line.includes('"text":"trace"'))
    .map((line) => lineSchema.parse(JSON.parse(line)))
    .sort((a, b) => a.at - b.at);
}

const time = (ms: number): string => ms.toFixed(1);

export async function traceClones(context: BenchContext): Promise<string> {
  // Engines that are started from here on have it.
  process.env['THIN_CLONES_TRACE'] = '1';
  return await withStore(context, { driver: 'btrfs', pool: 'btrfs' }, async (engine) => {
    const client = await engine.client();
    const follower = await followJobs(client);
    const { environment, root } = await prepareEnvironment(context, client, follower, 0.1);
    const create = (name: string) => () => client.call('cloneCreate', { body: { environment, name } });
    // The first one is for the caches.
    const params = { clone: (await follower.time(create('first'))).job.object.id };
    await follower.time(() => client.call('cloneReset', { params, body: {} }));
    await follower.time(() => client.call('cloneDestroy', { params }));

    const parts: string[] = [];
    for (const [what, work] of [
      ['create', create('traced')],
      ['reset', () => client.call('cloneReset', { params: { clone: 'traced' }, body: {} })],
    ] as const) {
      const before = (await engine.log()).length;
      const { job, ms } = await follower.time(work);
      const lines = traceLines((await engine.log()).slice(before));
      const start = lines[0]?.at ?? 0;
      const steps = job.tasks.map(({ name, startedAt, endedAt }) => [
        name,
        time(Date.parse(endedAt ?? '') - Date.parse(startedAt ?? '')),
      ]);
      parts.push(
        `${what}: ${time(ms)} ms`,
        formatTable([['step', 'ms'], ...steps], 1),
        formatTable(
          [
            ['at', 'ms', 'call', ''],
            ...lines.map((line) => [
              time(line.at - start),
              time(line.ms),
              line.call,
              line.subject.replace(root, '…').replace(engine.home, '~'),
            ]),
          ],
          2,
        ),
      );
    }
    await follower.close();
    return parts.join('\n\n');
  });
}
