/** `thin-clones clone create`: of a snapshot, or of another clone as it is now. */
import { Option, type Command } from 'commander';
import type { CallOptions, Client } from '../../protocol/client.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { runJob } from '../follow.ts';
import type { Session } from '../session.ts';
import { answerReady } from './find.ts';

export function addCreate(clone: Command, session: Session): void {
  clone
    .command('create')
    .description('make a clone, wait until it answers, print how to connect')
    .argument('[env]', 'an environment')
    .option('--name <name>', 'its name (default: a free clone-N)')
    .option('--snapshot <id>', 'a snapshot (default: the newest)')
    .addOption(
      new Option('--from-clone <clone>', 'a clone, of which it is a copy as that one is now').conflicts([
        'snapshot',
        'branch',
      ]),
    )
    .option('--branch <branch>', 'the Git branch that it is made for')
    .action(async (environment: string | undefined, options: CreateOptions) => {
      const client = await session.client();
      const made = await runJob(session, (following) => makeClone(client, environment, options, following));
      await answerReady(session, made.object.id, 'is ready');
    });
}

interface CreateOptions {
  name?: string;
  snapshot?: string;
  branch?: string;
  fromClone?: string;
}

/** Of an environment, or of a clone, which says the environment. */
function makeClone(
  client: Client,
  environment: string | undefined,
  { name, snapshot, branch, fromClone }: CreateOptions,
  following: CallOptions,
): Promise<{ job: Job }> {
  const named = name === undefined ? {} : { name };
  if (fromClone !== undefined) {
    if (environment !== undefined)
      throw fail('usage', {
        problem: 'With --from-clone no environment is named: it is that of the clone.',
        hint: `Leave "${environment}" out.`,
      });
    return client.call('cloneCopy', { params: { clone: fromClone }, body: named }, following);
  }
  if (environment === undefined)
    throw fail('usage', {
      problem: 'Nothing says what the clone is made of.',
      hint: 'Name an environment, or a clone with --from-clone.',
    });
  const body = {
    environment,
    ...named,
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(branch === undefined ? {} : { branch }),
  };
  return client.call('cloneCreate', { body }, following);
}
