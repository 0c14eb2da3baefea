/** `thin-clones clone rename`: another name, and all else stays. */
import type { Command } from 'commander';
import { runJob } from '../follow.ts';
import type { Session } from '../session.ts';
import { findClone } from './find.ts';

export function addRename(clone: Command, session: Session): void {
  const { output } = session;
  clone
    .command('rename')
    .description('give a clone another name; port, user, password and branch stay')
    .argument('<clone>', 'a clone')
    .argument('<name>', 'its new name')
    .action(async (reference: string, name: string) => {
      const client = await session.client();
      const before = await findClone(session, reference);
      const input = { params: { clone: before.id }, body: { name } };
      await runJob(session, (following) => client.call('cloneRename', input, following));
      const renamed = await findClone(session, before.id);
      output.answer({ json: renamed, text: () => `Clone ${before.name} is called ${renamed.name} now.` });
    });
}
