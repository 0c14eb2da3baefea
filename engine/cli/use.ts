/** `thin-clones use`: lead this checkout's ports to its branch's clone. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { calledHere } from '../protocol/calledHere.ts';
import type { Checkout, Clone } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { followPolicies, type Follow } from '../protocol/follow.ts';
import { shownValue } from '../protocol/variableConsent.ts';
import { formatDuration, printable } from './format.ts';
import type { Session } from './session.ts';
import { noteSources } from './sourceFiles.ts';
import { answerVariables } from './variableAnswers.ts';
import { ensureClone, findCheckout, describeHead, openCheckout } from './workingTree.ts';

/** What people want to know next: which clone, which ports, how to get the variables. */
export function usedText(checkout: Checkout, clone: Clone | undefined, took: number | undefined): string {
  const { endpoints, variables, envFile, head, key } = checkout;
  const whose = key === null || key === '' ? describeHead(head) : key;
  const time = took === undefined ? '' : `, after ${formatDuration(took)}`;
  const names = Object.keys(variables);
  return [
    `${checkout.path}: ${describeHead(head)} uses clone ${clone === undefined ? (checkout.clone ?? '?') : calledHere(clone)}${head.kind === 'branch' && whose === head.branch ? '' : ` (of ${whose})`}${time}.`,
    ...endpoints.map(
      ({ member, host, port, state }) =>
        `${member}: ${host}:${port}${state === 'taken' ? ', which another program took: thin-clones checkout ports' : ', on every branch'}`,
    ),
    ...(envFile === null ? [] : [`${envFile.file}: ${envFile.problem ?? envFile.state}`]),
    ...(names.length === 0
      ? []
      : [
          `Variables (${names.join(', ')}): eval "$(thin-clones env vars --format shell)", or thin-clones exec -- COMMAND`,
        ]),
    ...checkout.heldVariables
      .filter(({ state }) => state === 'asking')
      .map(
        ({ name, value }) =>
          `Not set: ${name}=${shownValue(value)}, which is no plain connection. To agree: thin-clones use --allow-variable ${name}`,
      ),
    ...(checkout.problem === null ? [] : [checkout.problem]),
  ]
    .flatMap((line) => line.split('\n'))
    .map(printable)
    .join('\n');
}

/** Undefined when there is none, or it went meanwhile. */
export async function cloneOf(session: Session, { clone }: Checkout): Promise<Clone | undefined> {
  if (clone === null) return undefined;
  const { items } = await (await session.client()).call('cloneList', {}, { signal: session.signal });
  return items.find(({ id }) => id === clone);
}

/** Answers with a checkout that is ready. */
export async function answerUsed(session: Session, checkout: Checkout, took?: number): Promise<void> {
  const clone = session.output.json ? undefined : await cloneOf(session, checkout);
  session.output.answer({ json: checkout, text: () => usedText(checkout, clone, took) });
  await noteSources(session, checkout);
}

export const parseFollow = (text: string): Follow => {
  const policy = followPolicies.find((each) => each === text);
  if (policy === undefined)
    throw new InvalidArgumentError(`Allowed choices are ${followPolicies.join(', ')}.`);
  return policy;
};

/** Nobody is to take other data for the state that was asked for. */
async function noteOtherStart(
  session: Session,
  checkout: Checkout,
  from: string,
  askedAt: number,
): Promise<void> {
  const clone = await cloneOf(session, checkout);
  if (clone === undefined) return;
  const isOlder = ({ createdAt }: { createdAt: string }) => Date.parse(createdAt) < askedAt;
  const client = await session.client();
  const { items } = await client.call('snapshotList', {}, { signal: session.signal });
  const snapshot = items.find(({ id }) => id === clone.snapshot);
  // A branch's state that a clone starts from is kept as a snapshot first.
  if (!isOlder(clone) && (from === 'latest' || snapshot === undefined || !isOlder(snapshot))) return;
  const why =
    from === 'current' ? 'it was there already, or nothing was in use before' : 'it was there already';
  session.output.note(
    printable(
      `Clone ${calledHere(clone)} does not start from ${from} now, it is of snapshot ${snapshot?.name ?? clone.snapshot}: ${why}. To start anew: thin-clones clone destroy ${calledHere(clone)}, then this again.`,
    ),
  );
}

interface UseOptions {
  environment?: string;
  from?: string;
  follow?: Follow;
  off?: boolean;
  unbind?: boolean;
  forget?: boolean;
  allowVariable?: string[];
  refuseVariable?: string[];
  directory?: string;
}

export function addUseCommand(program: Command, session: Session): void {
  const exclusive = ['from', 'environment', 'follow'];
  const alone = [...exclusive, 'off', 'unbind', 'forget'];
  program
    .command('use')
    .description("lead this checkout's ports to its branch's clone, which is made or started when needed")
    .argument('[clone]', 'a clone to bind to the branch, instead of its own')
    .option('--environment <env>', 'use this environment here from now on, whatever thin-clones.yaml says')
    .option(
      '--from <state>',
      'where the clone starts if it is new: latest (the default), current, or a branch',
    )
    .addOption(
      new Option('--follow <policy>', 'from now on, at each checkout: off, ask or automatic').argParser(
        parseFollow,
      ),
    )
    .addOption(new Option('--off', 'follow no branch any more').conflicts([...exclusive, 'unbind', 'forget']))
    .addOption(
      new Option('--unbind', 'take the clone off the branch; it stays').conflicts([...exclusive, 'forget']),
    )
    .addOption(
      new Option('--forget', 'close the ports and know this checkout no longer; clones stay').conflicts(
        exclusive,
      ),
    )
    .addOption(
      new Option(
        '--allow-variable <names...>',
        'set these of thin-clones.yaml, too, although they are no plain connections; nothing else is done',
      ).conflicts(alone),
    )
    .addOption(
      new Option('--refuse-variable <names...>', 'never set these, and ask no more').conflicts(alone),
    )
    .option('-C, --directory <dir>', 'a folder of the checkout (default: the present one)')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  $ git switch -c feature/x && thin-clones use',
        '  $ thin-clones use --from main',
        '  $ thin-clones use nightly-debug',
      ].join('\n'),
    )
    .action((clone: string | undefined, options: UseOptions) => use(session, clone, options));
}

async function use(session: Session, clone: string | undefined, options: UseOptions): Promise<void> {
  const { output, surroundings } = session;
  const { directory, environment, from, follow, allowVariable = [], refuseVariable = [] } = options;
  if (allowVariable.length + refuseVariable.length > 0) {
    await answerVariables(session, directory, { allow: allowVariable, refuse: refuseVariable });
    return;
  }
  const taken = (['off', 'unbind', 'forget'] as const).find((name) => options[name] === true);
  if (clone !== undefined && (taken !== undefined || from !== undefined)) {
    throw fail('usage', {
      problem: `A clone and --${taken ?? 'from'} don't go together.`,
      hint: 'See "thin-clones use --help".',
    });
  }
  if (taken === 'forget' || taken === 'unbind') {
    await giveUp(session, taken, directory);
    return;
  }
  if (taken === 'off' || follow === 'off') {
    const answer = await openCheckout(session, directory, { environment, follow: 'off' });
    output.answer({
      json: answer,
      text: () => `${printable(answer.path)} does not follow its branches any more.`,
    });
    return;
  }
  const began = surroundings.now();
  const used = await ensureClone(session, directory, { clone, environment, from, follow });
  const took = surroundings.now() - began;
  if (from !== undefined) await noteOtherStart(session, used, from, began);
  await answerUsed(session, used, took);
}

/** The checkout is known no longer, or the clone not its branch's any more. */
async function giveUp(
  session: Session,
  what: 'forget' | 'unbind',
  directory: string | undefined,
): Promise<void> {
  const { output, signal } = session;
  const client = await session.client();
  const { id, path, head } = await findCheckout(session, directory);
  const input = { params: { checkout: id } };
  if (what === 'forget') {
    const answer = await client.call('checkoutForget', input, { signal });
    output.answer({ json: answer, text: () => `${printable(path)} is followed no longer.` });
    return;
  }
  const answer = await client.call('checkoutUnbind', input, { signal });
  const text = `${path}: the clone is taken off ${describeHead(head)}, and stays.`;
  output.answer({ json: answer, text: () => printable(text) });
}
