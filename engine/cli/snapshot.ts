/** `thin-clones snapshot`: moments of an environment that clones can be made of. */
import type { Command } from 'commander';
import { comparisonLines, comparisonText } from '../protocol/comparison.ts';
import type { Snapshot } from '../protocol/entities.ts';
import { confirm } from './confirm.ts';
import { runJob } from './follow.ts';
import { formatAge, formatBytes, formatFields, formatTable } from './format.ts';
import { refresh } from './refresh.ts';
import type { Session } from './session.ts';
import { addSnapshotEdits } from './snapshotEdits.ts';

export function snapshotText(snapshot: Snapshot, now: number): string {
  return formatFields([
    ['snapshot', snapshot.name],
    ['id', snapshot.id],
    ['environment', snapshot.environment],
    ['state', snapshot.state],
    ['data of', snapshot.dataStateAt ?? 'unknown'],
    [
      'made',
      `${snapshot.createdAt} (${formatAge(snapshot.createdAt, now)}) by ${snapshot.createdBy}, ${snapshot.origin}`,
    ],
    ['size', `${formatBytes(snapshot.bytes.logical)}, ${formatBytes(snapshot.bytes.unshared)} of its own`],
    ...snapshot.members.map(
      ({ name, engine, version, database }) =>
        [`member ${name}`, `${engine} ${version}, ${database}`] as const,
    ),
    ...snapshot.members.flatMap(({ name, comparison }) =>
      comparison === undefined
        ? []
        : [
            [
              'compared',
              `${name} with its source, ${comparison.objects} objects: ${comparisonText(comparison) ?? ''}`,
            ] as const,
            ...comparisonLines(comparison).map((line) => ['', line] as const),
          ],
    ),
    ['clones', snapshot.clones.length === 0 ? 'none' : snapshot.clones.join(', ')],
    ...(snapshot.message === null ? [] : [['message', snapshot.message] as const]),
  ]);
}

export function addSnapshotCommands(program: Command, session: Session): void {
  const { output, signal, surroundings } = session;
  const snapshot = program
    .command('snapshot')
    .description('snapshots: moments of an environment that clones are made of');

  snapshot
    .command('create')
    .description('retrieve the data and make a snapshot, as "env refresh" does')
    .argument('<env>', 'an environment')
    .option('--name <name>', 'a name for the snapshot')
    .action(async (environment: string, { name }: { name?: string }) => {
      const made = await refresh(session, environment, { name });
      output.answer({ json: made, text: () => snapshotText(made, surroundings.now()) });
    });

  snapshot
    .command('list')
    .description('snapshots, newest first')
    .argument('[env]', 'only those of an environment')
    .action(async (environment?: string) => {
      const query = environment === undefined ? {} : { environment };
      const answer = await (await session.client()).call('snapshotList', { query }, { signal });
      output.answer({
        json: answer,
        text: () =>
          formatTable(
            ['NAME', 'ENVIRONMENT', 'ORIGIN', 'STATE', 'DATA', 'SIZE', 'OWN', 'CLONES', 'ID'],
            answer.items.map((each) => [
              each.name,
              each.environment,
              each.origin,
              each.state,
              formatAge(each.dataStateAt, surroundings.now()),
              formatBytes(each.bytes.logical),
              formatBytes(each.bytes.unshared),
              String(each.clones.length),
              each.id,
            ]),
          ),
      });
    });

  snapshot
    .command('show')
    .description('one snapshot')
    .argument('<id>', 'a snapshot')
    .action(async (id: string) => {
      const found = await (
        await session.client()
      ).call('snapshotShow', { params: { snapshot: id } }, { signal });
      output.answer({ json: found, text: () => snapshotText(found, surroundings.now()) });
    });

  addSnapshotEdits(snapshot, session);

  snapshot
    .command('delete')
    .description('delete a snapshot; refused while it has clones')
    .argument('<id>', 'a snapshot')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { yes }: { yes?: boolean }) => {
      const client = await session.client();
      const found = await client.call('snapshotShow', { params: { snapshot: id } }, { signal });
      await confirm(session.prompter, {
        question: `Delete snapshot ${found.name} of ${found.environment}?`,
        yes,
      });
      const input = { params: { snapshot: found.id } };
      const ended = await runJob(session, (following) => client.call('snapshotDelete', input, following));
      output.answer({ json: ended, text: () => `Snapshot ${found.name} is deleted.` });
    });
}
