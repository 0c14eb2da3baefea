/** `thin-clones clone destroy`: clones and their data, after a question. */
import type { Command } from 'commander';
import type { Clone, Job } from '../../protocol/entities.ts';
import { confirm } from '../confirm.ts';
import { runJob } from '../follow.ts';
import type { Session } from '../session.ts';
import { findClone } from './find.ts';

export function addDestroy(clone: Command, session: Session): void {
  const { output } = session;
  clone
    .command('destroy')
    .description('destroy clones and their data')
    .argument('<clones...>', 'clones')
    .option('-y, --yes', 'do not ask')
    .action(async (references: string[], { yes }: { yes?: boolean }) => {
      const client = await session.client();
      // All are known before the first one goes, and one that is named twice goes once.
      const found = new Map<string, Clone>();
      for (const reference of references) {
        const clone = await findClone(session, reference);
        found.set(clone.id, clone);
      }
      const clones = [...found.values()];
      const names = clones.map(({ name }) => name).join(', ');
      const question =
        clones.length === 1
          ? `Destroy clone ${names} and all its data?`
          : `Destroy the clones ${names} and all their data?`;
      await confirm(session.prompter, { question, yes });
      const jobs: Job[] = [];
      for (const { id, name } of clones) {
        const params = { clone: id };
        jobs.push(await runJob(session, (following) => client.call('cloneDestroy', { params }, following)));
        if (clones.length > 1) output.note(`Clone ${name} is destroyed.`);
      }
      const [only] = jobs;
      output.answer({
        json: references.length === 1 && only !== undefined ? only : { items: jobs },
        text: () =>
          clones.length === 1 ? `Clone ${names} is destroyed.` : `${clones.length} clones are destroyed.`,
      });
    });
}
