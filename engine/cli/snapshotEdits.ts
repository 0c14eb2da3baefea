/** `thin-clones snapshot rename` and `edit`: what a snapshot is called, and what is written of it. */
import type { Command } from 'commander';
import type { Snapshot } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { runJob } from './follow.ts';
import type { Session } from './session.ts';

export function addSnapshotEdits(snapshot: Command, session: Session): void {
  const { output, signal } = session;
  const edit = async (
    reference: string,
    body: { name?: string; message?: string | null },
    done: (before: Snapshot, after: Snapshot) => string,
  ): Promise<void> => {
    const client = await session.client();
    const find = (id: string): Promise<Snapshot> =>
      client.call('snapshotShow', { params: { snapshot: id } }, { signal });
    const before = await find(reference);
    const input = { params: { snapshot: before.id }, body };
    await runJob(session, (following) => client.call('snapshotEdit', input, following));
    const after = await find(before.id);
    output.answer({ json: after, text: () => done(before, after) });
  };

  snapshot
    .command('rename')
    .description('give a snapshot another name')
    .argument('<id>', 'a snapshot')
    .argument('<name>', 'its new name')
    .action((id: string, name: string) =>
      edit(id, { name }, (before, after) => `Snapshot ${before.name} is called ${after.name} now.`),
    );

  snapshot
    .command('edit')
    .description('write what is in a snapshot, or that nothing is written of it')
    .argument('<id>', 'a snapshot')
    .option('-m, --message <message>', 'what is in it')
    .option('--no-message', 'take the message away')
    .action(async (id: string, { message }: { message?: string | false }) => {
      if (message === undefined)
        throw fail('usage', {
          problem: 'Nothing says what to write of the snapshot.',
          hint: 'Give --message, or --no-message.',
        });
      await edit(
        id,
        { message: message === false ? null : message },
        ({ name }) => `Snapshot ${name} is edited.`,
      );
    });
}
