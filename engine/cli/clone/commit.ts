/** `thin-clones clone commit`: makes a snapshot of a clone as it is. */
import type { Command } from 'commander';
import { runJob } from '../follow.ts';
import { madeSnapshot } from '../refresh.ts';
import type { Session } from '../session.ts';
import { snapshotText } from '../snapshot.ts';

export function addCommit(clone: Command, session: Session): void {
  const { output, surroundings } = session;
  clone
    .command('commit')
    .description('make a snapshot of a clone as it is')
    .argument('<clone>', 'a clone')
    .requiredOption('-m, --message <message>', 'what it is')
    .option('--name <name>', 'a name for the snapshot')
    .action(async (reference: string, options: { message: string; name?: string }) => {
      const client = await session.client();
      const body = {
        message: options.message,
        ...(options.name === undefined ? {} : { name: options.name }),
      };
      const input = { params: { clone: reference }, body };
      const ended = await runJob(session, (following) => client.call('cloneCommit', input, following));
      const made = await madeSnapshot(session, ended);
      output.answer({ json: made, text: () => snapshotText(made, surroundings.now()) });
    });
}
