/** `thin-clones checkout`: the working trees whose databases follow their branches. */
import { Option, type Command } from 'commander';
import { calledHere } from '../protocol/calledHere.ts';
import { fail } from '../protocol/errors.ts';
import { formatTable, printable } from './format.ts';
import type { Session } from './session.ts';
import { answerUsed, cloneOf } from './use.ts';
import { checkoutText, findCheckout, describeHead, notReady, settled } from './workingTree.ts';

const remembers = ['once', 'branch', 'workspace'] as const;

/** What was answered with no, and for how long that holds. */
function noCloneText(
  branch: string,
  remember: (typeof remembers)[number],
  pattern: string | undefined,
): string {
  if (pattern !== undefined) return `Branches like ${pattern} get no clone, and are not asked about again.`;
  switch (remember) {
    case 'once':
      return `Branch ${branch} gets no clone this time.`;
    case 'branch':
      return `Branch ${branch} gets no clone, and is not asked about again.`;
    case 'workspace':
      return 'This checkout is not followed any more. Follow it again: thin-clones use --follow ask';
  }
}

export function addCheckoutCommands(program: Command, session: Session): void {
  const checkout = program
    .command('checkout')
    .description('working trees whose databases follow their branches')
    .addHelpText('after', '\nExample:\n  $ thin-clones checkout show');
  addList(checkout, session);
  addShow(checkout, session);
  addPorts(checkout, session);
  addAnswer(checkout, session);
}

function addList(checkout: Command, session: Session): void {
  const { output, signal } = session;
  checkout
    .command('list')
    .description('all that are followed')
    .action(async () => {
      const client = await session.client();
      const answer = await client.call('checkoutList', {}, { signal });
      const clones = output.json ? [] : (await client.call('cloneList', {}, { signal })).items;
      const names = new Map(clones.map((clone) => [clone.id, calledHere(clone)]));
      output.answer({
        json: answer,
        text: () =>
          formatTable(
            ['PATH', 'BRANCH', 'STATE', 'CLONE', 'ENVIRONMENT', 'FOLLOW', 'PORTS'],
            answer.items.map((each) => [
              each.path,
              describeHead(each.head),
              each.state,
              each.clone === null ? '-' : (names.get(each.clone) ?? each.clone),
              each.environment ?? '-',
              each.follow,
              each.endpoints
                .map(
                  ({ member, port, state }) =>
                    `${each.endpoints.length > 1 ? `${member} ` : ''}${port}${state === 'taken' ? ' (taken)' : ''}`,
                )
                .join(', '),
            ]),
          ),
      });
    });
}

function addShow(checkout: Command, session: Session): void {
  const { output } = session;
  checkout
    .command('show')
    .description('one: its branch, clone and ports, and what it asks')
    .argument('[dir]', 'a folder of it (default: the present one)')
    .action(async (directory?: string) => {
      const found = await findCheckout(session, directory);
      const clone = output.json ? undefined : await cloneOf(session, found);
      output.answer({ json: found, text: () => checkoutText(found, clone) });
    });
}

function addPorts(checkout: Command, session: Session): void {
  const { output, signal } = session;
  checkout
    .command('ports')
    .description('give it other ports in place of those that another program took')
    .argument('[dir]', 'a folder of it (default: the present one)')
    .addHelpText('after', '\nExample:\n  $ thin-clones checkout ports && thin-clones env vars')
    .action(async (directory?: string) => {
      const found = await findCheckout(session, directory);
      const client = await session.client();
      const changed = await client.call('checkoutPorts', { params: { checkout: found.id } }, { signal });
      output.answer({
        json: changed,
        text: () =>
          formatTable(
            ['MEMBER', 'PORT', 'STATE'],
            changed.endpoints.map(({ member, host, port, state }) => [member, `${host}:${port}`, state]),
          ),
      });
    });
}

function addAnswer(checkout: Command, session: Session): void {
  const { output, signal } = session;
  checkout
    .command('answer')
    .description('say whether the branch that is asked about gets a clone')
    .argument('<answer>', 'yes or no')
    .addOption(
      new Option('--remember <what>', 'for this time, for this branch, or for every branch of this checkout')
        .choices(remembers)
        .default('once'),
    )
    .addOption(
      new Option('--pattern <pattern>', 'for branches like this, e.g. "feature/*"').conflicts('remember'),
    )
    .option('-C, --directory <dir>', 'a folder of the checkout (default: the present one)')
    .addHelpText('after', "\nExample:\n  $ thin-clones checkout answer no --pattern 'docs/**'")
    .action(
      async (
        answer: string,
        options: { remember: (typeof remembers)[number]; pattern?: string; directory?: string },
      ) => {
        if (answer !== 'yes' && answer !== 'no')
          throw fail('usage', {
            problem: `"${answer}" is no answer.`,
            hint: 'Answer yes or no: thin-clones checkout answer yes',
          });
        const { pattern, remember, directory } = options;
        const found = await findCheckout(session, directory);
        if (found.question === null) throw fail('no_question', { path: found.path });
        const body = {
          branch: found.question.branch,
          answer: answer === 'yes' ? ('create' as const) : ('none' as const),
          ...(pattern === undefined ? { remember } : { remember: 'pattern' as const, pattern }),
        };
        const client = await session.client();
        const input = { params: { checkout: found.id }, body };
        const answered = await settled(session, await client.call('checkoutAnswer', input, { signal }));
        if (answer === 'no') {
          output.answer({
            json: answered,
            text: () => printable(noCloneText(body.branch, remember, pattern)),
          });
          return;
        }
        if (answered.state !== 'ready') throw notReady(answered);
        await answerUsed(session, answered);
      },
    );
}
