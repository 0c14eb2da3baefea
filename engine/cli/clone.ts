/** `thin-clones clone`: make, find, reset and give up writable copies. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { connectionFormats, formatConnection, type ConnectionFormat } from '../protocol/connectionString.ts';
import { changesOf, nothingChanged } from '../protocol/cloneChanges.ts';
import type { CallOptions, Client } from '../protocol/client.ts';
import type { Clone, Connection, Job } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { confirm } from './confirm.ts';
import { runJob } from './follow.ts';
import { formatAge, formatBytes, formatFields, formatTable, printable } from './format.ts';
import { madeSnapshot } from './refresh.ts';
import type { Session } from './session.ts';
import { snapshotText } from './snapshot.ts';

const protection = (clone: Clone): string =>
  clone.protectedUntil === null
    ? '-'
    : clone.protectedUntil === 'forever'
      ? 'forever'
      : `until ${clone.protectedUntil}`;

function stateText({ state, stoppedBy, problem }: Clone): string {
  const by = state === 'stopped' && stoppedBy !== null ? ` by ${stoppedBy}` : '';
  return problem === null ? `${state}${by}` : `${state}${by}: ${problem}`;
}

function cloneText(clone: Clone, snapshotName: string | undefined, now: number): string {
  return formatFields([
    ['clone', clone.name],
    ['id', clone.id],
    ['environment', clone.environment],
    ['snapshot', snapshotName === undefined ? clone.snapshot : `${snapshotName} (${clone.snapshot})`],
    ['state', stateText(clone)],
    ['made', `${clone.createdAt} (${formatAge(clone.createdAt, now)}) by ${clone.createdBy}`],
    ['reset', clone.resetAt === null ? 'never' : `${clone.resetAt} (${formatAge(clone.resetAt, now)})`],
    ['protected', protection(clone)],
    ['size', `${formatBytes(clone.bytes.logical)}, ${formatBytes(clone.bytes.unshared)} of its own`],
    ...(clone.branch === null ? [] : [['branch', clone.branch] as const]),
    ...clone.members.map(
      (member) =>
        [
          `member ${member.name}`,
          `${member.engine} ${member.version}, ${member.state}, ${member.host}:${member.port}, user ${member.user}, database ${member.database}`,
        ] as const,
    ),
  ]);
}

/** What people want next: how to connect, for each member. */
function readyText(clone: Clone, connections: readonly Connection[], done: string): string {
  const lines = connections.map((connection) => {
    const uri = printable(formatConnection(connection, 'uri'));
    return connections.length === 1 ? uri : `${connection.name}: ${uri}`;
  });
  return [`Clone ${clone.name} ${done}.`, ...lines, `Open it: ${openCommand(clone)}`].join('\n');
}
const openCommand = (clone: Clone): string =>
  `psql "$(thin-clones clone url ${clone.name}${clone.members.length > 1 ? ` --member ${clone.members[0]?.name ?? ''}` : ''})"`;

const minutesOf = { m: 1, h: 60, d: 24 * 60 } as const;
const longestMinutes = 5_256_000;
export function parseMinutes(text: string): number {
  const match = /^([1-9][0-9]{0,6})([mhd])$/.exec(text);
  const minutes = Number(match?.[1]) * minutesOf[match?.[2] as keyof typeof minutesOf];
  if (match === null || minutes > longestMinutes)
    throw new InvalidArgumentError('Expected a number and m, h or d, at most ten years, e.g. 30m, 8h or 7d.');
  return minutes;
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

export function addCloneCommands(program: Command, session: Session): void {
  const { output, signal, surroundings } = session;
  const clone = program
    .command('clone')
    .description('clones: writable copies, made and reset in a moment')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  $ thin-clones clone create shop --name feature/a',
        '  $ thin-clones clone create --from-clone feature/a --name feature/b',
        '  $ psql "$(thin-clones clone url feature/a)"',
        '  $ thin-clones clone url feature/a --format env >> .env',
        '  $ thin-clones clone reset feature/a --yes',
      ].join('\n'),
    );
  const show = async (reference: string): Promise<Clone> =>
    (await session.client()).call('cloneShow', { params: { clone: reference } }, { signal });
  const connections = async (id: string): Promise<Connection[]> =>
    (await (await session.client()).call('cloneConnection', { params: { clone: id } }, { signal })).items;
  const answerReady = async (id: string, done: string) => {
    const [ready, items] = await Promise.all([show(id), output.json ? [] : connections(id)]);
    output.answer({ json: ready, text: () => readyText(ready, items, done) });
  };

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
      await answerReady(made.object.id, 'is ready');
    });

  clone
    .command('list')
    .description('clones, newest first')
    .argument('[env]', 'only those of an environment')
    .action(async (environment?: string) => {
      const client = await session.client();
      const query = environment === undefined ? {} : { environment };
      const answer = await client.call('cloneList', { query }, { signal });
      const snapshots = output.json ? [] : (await client.call('snapshotList', { query }, { signal })).items;
      const names = new Map(snapshots.map((each) => [each.id, each.name]));
      output.answer({
        json: answer,
        text: () =>
          formatTable(
            ['NAME', 'ENVIRONMENT', 'SNAPSHOT', 'STATE', 'PORT', 'OWN', 'CREATED', 'PROTECTED', 'BRANCH'],
            answer.items.map((each) => [
              each.name,
              each.environment,
              names.get(each.snapshot) ?? each.snapshot,
              each.state,
              each.members.map(({ port }) => port).join(', '),
              formatBytes(each.bytes.unshared),
              formatAge(each.createdAt, surroundings.now()),
              protection(each),
              each.branch ?? '-',
            ]),
          ),
      });
    });

  clone
    .command('show')
    .description('one clone')
    .argument('<clone>', 'a clone')
    .action(async (reference: string) => {
      const client = await session.client();
      const found = await show(reference);
      const query = { environment: found.environment };
      const snapshots = output.json ? [] : (await client.call('snapshotList', { query }, { signal })).items;
      const name = snapshots.find(({ id }) => id === found.snapshot)?.name;
      output.answer({ json: found, text: () => cloneText(found, name, surroundings.now()) });
    });

  clone
    .command('url')
    .description('print how to connect to a clone, and nothing else')
    .argument('<clone>', 'a clone')
    .option('--member <name>', 'the member, when it has more than one')
    .addOption(new Option('--format <format>', 'how it is written').choices(connectionFormats).default('uri'))
    .addHelpText('after', '\nExample:\n  $ export DATABASE_URL=$(thin-clones clone url feature/a)')
    .action(async (reference: string, options: { member?: string; format: ConnectionFormat }) => {
      const items = await connections(reference);
      const { member } = options;
      const names = items.map(({ name }) => name);
      if (member === undefined && items.length > 1) {
        throw fail('usage', {
          problem: `Clone ${reference} has ${items.length} members (${names.join(', ')}).`,
          hint: `Choose one with --member ${names[0] ?? 'NAME'}.`,
        });
      }
      const chosen = member === undefined ? items[0] : items.find(({ name }) => name === member);
      if (chosen === undefined) throw fail('not_found', { kind: 'member', name: member ?? '', known: names });
      output.answer({ json: chosen, text: () => formatConnection(chosen, options.format) });
    });

  clone
    .command('reset')
    .description('put a clone back to a snapshot; port, user and password stay')
    .argument('<clone>', 'a clone')
    .option('--snapshot <id>', 'a snapshot, or "latest" (default: the one that it was made from)')
    .option('--keep-as <name>', 'keep its present data as a snapshot of this name first')
    .option('-y, --yes', 'do not ask')
    .action(async (reference: string, options: { snapshot?: string; keepAs?: string; yes?: boolean }) => {
      const client = await session.client();
      const found = await show(reference);
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
      await answerReady(found.id, 'is reset');
    });

  clone
    .command('start')
    .description('start the servers of a stopped clone')
    .argument('<clone>', 'a clone')
    .action(async (reference: string) => {
      const client = await session.client();
      const params = { clone: reference };
      const started = await runJob(session, (following) => client.call('cloneStart', { params }, following));
      await answerReady(started.object.id, 'is ready');
    });

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
      const stopped = await show(ended.object.id);
      output.answer({
        json: stopped,
        text: () =>
          `Clone ${stopped.name} is stopped; its data stays. Start it: thin-clones clone start ${stopped.name}`,
      });
    });

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
        const clone = await show(reference);
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

  clone
    .command('protect')
    .description('keep a clone from being destroyed or cleaned up, for good or for a while')
    .argument('<clone>', 'a clone')
    .addOption(new Option('--for <time>', 'for this long, e.g. 30m, 8h or 7d').argParser(parseMinutes))
    .addOption(new Option('--off', 'protect it no longer').conflicts('for'))
    .action(async (reference: string, options: { for?: number; off?: boolean }) => {
      const client = await session.client();
      const minutes = options.off === true ? null : (options.for ?? 'forever');
      const input = { params: { clone: reference }, body: { minutes } } as const;
      const changed = await client.call('cloneProtect', input, { signal });
      output.answer({
        json: changed,
        text: () =>
          changed.protectedUntil === null
            ? `Clone ${changed.name} is not protected.`
            : `Clone ${changed.name} is protected ${protection(changed)}.`,
      });
    });

  clone
    .command('rename')
    .description('give a clone another name; port, user, password and branch stay')
    .argument('<clone>', 'a clone')
    .argument('<name>', 'its new name')
    .action(async (reference: string, name: string) => {
      const client = await session.client();
      const before = await show(reference);
      const input = { params: { clone: before.id }, body: { name } };
      await runJob(session, (following) => client.call('cloneRename', input, following));
      const renamed = await show(before.id);
      output.answer({ json: renamed, text: () => `Clone ${before.name} is called ${renamed.name} now.` });
    });

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
