/** `thin-clones clone list`, `show` and `url`: what clones there are, and how to connect to them. */
import { Option, type Command } from 'commander';
import {
  connectionFormats,
  formatConnection,
  type ConnectionFormat,
} from '../../protocol/connectionString.ts';
import { fail } from '../../protocol/errors.ts';
import { formatAge, formatBytes, formatTable } from '../format.ts';
import type { Session } from '../session.ts';
import { connectionsOf, findClone } from './find.ts';
import { cloneText, portText, protection } from './texts.ts';

export function addList(clone: Command, session: Session): void {
  const { output, signal, surroundings } = session;
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
              portText(each),
              formatBytes(each.bytes.unshared),
              formatAge(each.createdAt, surroundings.now()),
              protection(each),
              each.branch ?? '-',
            ]),
          ),
      });
    });
}

export function addShow(clone: Command, session: Session): void {
  const { output, signal, surroundings } = session;
  clone
    .command('show')
    .description('one clone')
    .argument('<clone>', 'a clone')
    .action(async (reference: string) => {
      const client = await session.client();
      const found = await findClone(session, reference);
      const query = { environment: found.environment };
      const snapshots = output.json ? [] : (await client.call('snapshotList', { query }, { signal })).items;
      const name = snapshots.find(({ id }) => id === found.snapshot)?.name;
      output.answer({ json: found, text: () => cloneText(found, name, surroundings.now()) });
    });
}

export function addUrl(clone: Command, session: Session): void {
  const { output } = session;
  clone
    .command('url')
    .description('print how to connect to a clone, and nothing else')
    .argument('<clone>', 'a clone')
    .option('--member <name>', 'the member, when it has more than one')
    .addOption(new Option('--format <format>', 'how it is written').choices(connectionFormats).default('uri'))
    .addHelpText('after', '\nExample:\n  $ export DATABASE_URL=$(thin-clones clone url feature/a)')
    .action(async (reference: string, options: { member?: string; format: ConnectionFormat }) => {
      const items = await connectionsOf(session, reference);
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
}
