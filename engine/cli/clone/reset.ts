/** `thin-clones clone reset`: to a snapshot, after a question that says what would be lost. */
import type { Command } from 'commander';
import { changesOf, nothingChanged } from '../../protocol/cloneChanges.ts';
import { confirm } from '../confirm.ts';
import { runJob } from '../follow.ts';
import type { Session } from '../session.ts';
import { answerReady, findClone } from './find.ts';

export function addReset(clone: Command, session: Session): void {
  clone
    .command('reset')
    .description('put a clone back to a snapshot; port, user and password stay')
    .argument('<clone>', 'a clone')
    .option('--snapshot <id>', 'a snapshot, or "latest" (default: the one that it was made from)')
    .option('--keep-as <name>', 'keep its present data as a snapshot of this name first')
    .option('-y, --yes', 'do not ask')
    .action(async (reference: string, options: { snapshot?: string; keepAs?: string; yes?: boolean }) => {
      const client = await session.client();
      const found = await findClone(session, reference);
      const { snapshot, keepAs, yes } = options;
      // With --keep-as nothing is lost.
      if (keepAs === undefined) {
        const changed = yes === true ? undefined : await changesOf(client, found.id);
        const question =
          changed === undefined
            ? `Reset clone ${found.name} and lose its own data?`
            : `${changed} Reset clone ${found.name}${changed === nothingChanged ? '' : ' and lose that'}?`;
        await confirm(session.prompter, { question, yes });
      }
      const body = {
        ...(snapshot === undefined ? {} : { snapshot }),
        ...(keepAs === undefined ? {} : { keepAs }),
      };
      const input = { params: { clone: found.id }, body };
      await runJob(session, (following) => client.call('cloneReset', input, following));
      await answerReady(session, found.id, 'is reset');
    });
}
