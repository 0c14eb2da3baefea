/** `thin-clones storage`: thin clones for an ordinary user of this machine, whom root helps once. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import type { StorageSetUp } from '../protocol/entities.ts';
import { fail, isFailure } from '../protocol/errors.ts';
import { confirm } from './confirm.ts';
import { runJob } from './follow.ts';
import { formatBytes, formatFields } from './format.ts';
import { asRoot } from './asRoot.ts';
import type { Session } from './session.ts';

interface SetUpOptions {
  size?: number;
  print?: true;
  yes?: true;
  /** `--no-move` was not given. */
  move: boolean;
}

const setUpFile = 'storage-setup.sh';
const removalFile = 'storage-removal.sh';

const units = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** "40G", as truncate(1) takes it; at least 1 GiB. */
function sizeOf(text: string): number {
  const [, number, unit = ''] = /^(\d{1,15})([KMGT]?)$/.exec(text) ?? [];
  const bytes = Number(number) * units[unit as keyof typeof units];
  if (number === undefined || bytes < 2 ** 30 || bytes > 2 ** 53)
    throw new InvalidArgumentError('Use a size of at least 1G, such as 40G.');
  return bytes;
}

const words: Readonly<Record<StorageSetUp['state'], string>> = {
  thin: 'clones are thin without a set-up',
  possible: 'clones are full copies; "thin-clones storage setup" makes them thin',
  ready: 'set up',
  unmounted: 'set up, and not mounted now; "thin-clones storage setup" mounts it',
  impossible: "clones can't be made thin",
  other: 'unknown',
};

function setUpText({
  state,
  problem,
  image,
  mountPoint,
  bytes,
  isUsed,
  holds,
  elsewhere,
}: StorageSetUp): string {
  const waiting = elsewhere.reduce((sum, each) => sum + each.bytes, 0);
  return formatFields([
    ['state', problem === null ? words[state] : `${words[state]}: ${problem}`],
    ...(bytes === null
      ? []
      : [
          ['pool file', `${image ?? ''}, may grow to ${formatBytes(bytes)}`] as const,
          ['mounted at', `${mountPoint ?? ''}${isUsed ? '' : ' (not used by the engine yet)'}`] as const,
          ['holds', holds.length === 0 ? 'nothing' : holds.join(', ')] as const,
        ]),
    ...(elsewhere.length === 0
      ? []
      : [
          [
            'still full copies',
            `${elsewhere.map(({ kind, name }) => `${kind} ${name}`).join(', ')} (${formatBytes(waiting)})`,
          ] as const,
        ]),
  ]);
}

export function addStorageCommands(program: Command, session: Session): void {
  const { output } = session;
  const storage = program
    .command('storage')
    .description('thin clones for an ordinary user of this machine, whom root helps once');

  storage
    .command('show')
    .description('how thin clones stand on this machine')
    .action(async () => {
      const answer = await look(session);
      output.answer({ json: answer, text: () => setUpText(answer) });
    });

  storage
    .command('setup')
    .description(
      'show a short script that makes clones thin, and let root run it; also to mount again or to grow',
    )
    .option(
      '--size <size>',
      'how large the pool file may grow, such as 40G (default: most of the disk)',
      sizeOf,
    )
    .option('--print', 'print the script and change nothing')
    .option('--no-move', 'leave the snapshots and clones that are there as full copies')
    .option('--yes', 'do not ask')
    .action((options: SetUpOptions) => setUp(session, options));

  storage
    .command('remove')
    .description('take back everything that "storage setup" made; refused while it holds snapshots or clones')
    .option('--print', 'print the script and change nothing')
    .option('--yes', 'do not ask')
    .action((options: { print?: true; yes?: true }) => remove(session, options));
}

async function look(session: Session, size?: number): Promise<StorageSetUp> {
  const query = size === undefined ? {} : { bytes: String(size) };
  const client = await session.client();
  return client.call('storageShow', { query }, { signal: session.signal });
}

async function setUp(session: Session, { size, print, yes, move }: SetUpOptions): Promise<void> {
  const { output, prompter } = session;
  const found = await look(session, size);
  if (found.setUp === null) {
    if (found.state === 'impossible') {
      const { problem, fix } = found;
      throw fail('storage_set_up', { problem: `${problem ?? ''}${fix === null ? '' : ` (${fix})`}` });
    }
    output.answer({ json: found, text: () => 'Clones are thin here already: nothing was changed.' });
    return;
  }
  const isNeeded = found.state !== 'ready' || (found.sizeBytes ?? 0) > (found.bytes ?? 0);
  if (print === true) {
    output.answer({ json: found, text: () => (found.setUp ?? '').trimEnd() });
    return;
  }
  if (isNeeded) {
    const file = await scriptPath(session, setUpFile);
    keepScript(file, found.setUp);
    await asRoot(session, { file, script: found.setUp, yes, question: 'Run it as root?' });
    const after = await look(session);
    if (after.state !== 'ready')
      throw fail('storage_unmounted', { image: found.image ?? '', mountPoint: found.mountPoint ?? '' });
    rmSync(file, { force: true });
    // One that was begun before is over: the pool file is in use again.
    rmSync(await scriptPath(session, removalFile), { force: true });
  }
  const used = await takeUp(session);
  if (used.elsewhere.length > 0 && move) await moveAll(session, used, yes);
  const answer = await look(session);
  output.answer({
    json: answer,
    text: () =>
      answer.isUsed
        ? `Clones are thin now: the engine keeps them in ${answer.mountPoint ?? ''}.${answer.elsewhere.length === 0 ? '' : ` Still full copies: ${answer.elsewhere.map(({ kind, name }) => `${kind} ${name}`).join(', ')}; the same command moves them.`}`
        : `The pool file is mounted at ${answer.mountPoint ?? ''}. The engine works on something and takes it up when it starts again: "thin-clones engine stop", then this command.`,
  });
  if (!prompter.available && !answer.isUsed)
    output.note('Run the same command again when its jobs have ended.');
}

/** An engine that runs since before goes by what it found then; one that works is left to it. */
async function takeUp(session: Session): Promise<StorageSetUp> {
  const found = await look(session);
  if (found.isUsed) return found;
  try {
    await restart(session);
  } catch (error) {
    if (isFailure(error, 'busy')) return found;
    throw error;
  }
  return look(session);
}

/** Errors: `busy` while a job runs. */
async function restart(session: Session): Promise<void> {
  const { surroundings, signal } = session;
  const client = await session.client();
  await client.call('engineStop', { query: { unless: 'working' } }, { signal });
  await surroundings.stop(await session.running(), signal).catch((error: unknown) => {
    if (!isFailure(error, 'engine_unreachable')) throw error;
  });
  session.disconnect();
}

async function moveAll(session: Session, { elsewhere }: StorageSetUp, yes: true | undefined): Promise<void> {
  const { output, prompter } = session;
  const clones = elsewhere.filter(({ kind }) => kind === 'clone').map(({ name }) => name);
  const bytes = formatBytes(elsewhere.reduce((sum, each) => sum + each.bytes, 0));
  const stopped =
    clones.length === 0 ? '' : ` Each clone is stopped while it is copied: ${clones.join(', ')}.`;
  const question = `Move the ${elsewhere.length} snapshots and clones that are there (${bytes}) along?`;
  if (yes !== true) {
    if (!prompter.available) {
      output.note(`${question}${stopped} Without a terminal nobody can be asked: add --yes.`);
      return;
    }
    const answer = await prompter.ask(`${question}${stopped} [Y/n] `);
    if (!/^(y(es)?)?$/i.test(answer.trim())) return;
  }
  for (const { kind, id, name } of elsewhere) {
    if (kind === 'other') continue;
    try {
      await runJob(session, (following) =>
        session
          .client()
          .then((client) => client.call('storageMove', { body: { kind, object: id } }, following)),
      );
    } catch (error) {
      // It is as it was, and so are the others: each is moved for itself.
      if (!isFailure(error, 'busy') && !isFailure(error, 'clone_not_ready')) throw error;
      output.note(`${kind} ${name} was not moved: ${error.message}`);
    }
  }
}

async function remove(session: Session, { print, yes }: { print?: true; yes?: true }): Promise<void> {
  const { output } = session;
  const found = await look(session);
  const { image, mountPoint, removal } = found;
  if (removal === null || image === null || mountPoint === null) {
    output.answer({ json: found, text: () => 'Nothing was set up here: nothing was changed.' });
    return;
  }
  if (found.holds.length > 0) throw fail('storage_holds_data', { path: mountPoint, holds: found.holds });
  const file = await scriptPath(session, removalFile);
  // What is in a pool file that nobody sees is not known, unless this has begun.
  const isKnown = found.isUsed || found.bytes === null || existsSync(file);
  if (!isKnown) throw fail('storage_unmounted', { image, mountPoint });
  if (print === true) {
    output.answer({ json: found, text: () => removal.trimEnd() });
    return;
  }
  await confirm(session.prompter, {
    question: `Remove ${image}? Clones are full copies again after that.`,
    yes,
  });
  keepScript(file, removal);
  // From here on nothing is asked of an engine: one that ran would hold the pool file.
  await restart(session);
  try {
    await asRoot(session, { file, script: removal, yes: true, question: '' });
  } catch (error) {
    // It may come to hold something again.
    if ((await look(session)).state === 'ready') rmSync(file, { force: true });
    throw error;
  }
  rmSync(file, { force: true });
  // One that another client started meanwhile has seen half of it.
  await restart(session);
  const answer = await look(session);
  output.answer({ json: answer, text: () => `Removed ${image} and everything that mounted it.` });
}

async function scriptPath(session: Session, name: string): Promise<string> {
  const client = await session.client();
  const { home } = await client.call('engineInfo', {}, { signal: session.signal });
  return join(home, 'engine', name);
}

/** In a folder that is the user's alone. */
function keepScript(file: string, script: string): void {
  rmSync(file, { force: true });
  writeFileSync(file, script, { mode: 0o600, flag: 'wx' });
}
