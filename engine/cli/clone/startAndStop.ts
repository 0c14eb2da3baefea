/** `thin-clones clone start` and `stop`: whether the servers of a clone run. */
import { calledHere } from '../../protocol/calledHere.ts';
import type { Command } from 'commander';
import { runJob } from '../follow.ts';
import type { Session } from '../session.ts';
import { answerReady, findClone } from './find.ts';

export function addStart(clone: Command, session: Session): void {
  clone
    .command('start')
    .description('start the servers of a stopped clone')
    .argument('<clone>', 'a clone')
    .action(async (reference: string) => {
      const client = await session.client();
      const params = { clone: reference };
      const started = await runJob(session, (following) => client.call('cloneStart', { params }, following));
      await answerReady(session, started.object.id, 'is ready');
    });
}

export function addStop(clone: Command, session: Session): void {
  const { output } = session;
  clone
    .command('stop')
    .description(
      'stop the servers of a clone; its data stays, and it is not started until it is wanted again',
    )
    .argument('<clone>', 'a clone')
    .action(async (reference: string) => {
      const client = await session.client();
      const params = { clone: reference };
      const ended = await runJob(session, (following) => client.call('cloneStop', { params }, following));
      const stopped = await findClone(session, ended.object.id);
      output.answer({
        json: stopped,
        text: () =>
          `Clone ${calledHere(stopped)} is stopped; its data stays. Start it: thin-clones clone start ${calledHere(stopped)}`,
      });
    });
}
