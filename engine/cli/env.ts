/** `thin-clones env`: declare environments, look at them, fill them with data. */
import type { Command } from 'commander';
import type { Environment, MemberDefinition } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { applyEnvironments } from './apply.ts';
import { confirm } from './confirm.ts';
import { joinDeclared, withoutDeclined } from './declaredHosts.ts';
import { runJob } from './follow.ts';
import { formatAge, formatFields, formatTable } from './format.ts';
import { refresh } from './refresh.ts';
import type { Session } from './session.ts';
import { snapshotText } from './snapshot.ts';
import { addVariablesCommand } from './variables.ts';

const place = (member: MemberDefinition): string => member.url ?? member.dump ?? member.directory ?? '-';

function environmentText(environment: Environment): string {
  const { definition } = environment;
  const { clones } = definition;
  const settings = [
    clones.idleTtl === undefined ? [] : [`idle time-to-live ${clones.idleTtl}`],
    clones.limit === undefined ? [] : [`at most ${clones.limit}`],
    clones.durable === false ? ['fsync off'] : [],
  ].flat();
  return formatFields([
    ['name', environment.name],
    ['host', definition.host],
    ...Object.entries(definition.members).map(
      ([name, member]) =>
        [`member ${name}`, `${member.engine}, ${member.retrieval}, ${place(member)}`] as const,
    ),
    ['clones', settings.length === 0 ? 'default settings' : settings.join(', ')],
    [
      'latest snapshot',
      environment.latestSnapshot ?? `none yet: thin-clones env refresh ${environment.name}`,
    ],
    ['refresh', environment.refreshJob ?? 'not running'],
    ['created', environment.createdAt],
  ]);
}

interface ApplyFlags {
  file: string;
  test: boolean;
  passwordsStdin?: true;
  yes?: boolean;
}

export function addEnvironmentCommands(program: Command, session: Session): void {
  const environment = program
    .command('env')
    .description('environments: named groups of databases to clone; vars: what a checkout gives its programs')
    .addHelpText(
      'after',
      '\nExample:\n  $ thin-clones env apply -f thin-clones.yaml && thin-clones env refresh shop',
    );
  addApply(environment, session);
  addList(environment, session);
  addShow(environment, session);
  addDelete(environment, session);
  addRefresh(environment, session);
  addVariablesCommand(environment, session);
  addSchema(environment, session);
}

function addApply(environment: Command, session: Session): void {
  const { output, surroundings } = session;
  environment
    .command('apply')
    .description('declare what a file says: made when new, changed when different')
    .option('-f, --file <file>', 'the file', 'thin-clones.yaml')
    .option('--no-test', 'do not try the sources first')
    .option('--passwords-stdin', 'read passwords from stdin: {"ENVIRONMENT": {"MEMBER": "PASSWORD"}}')
    .option('-y, --yes', 'do not ask before the hosts of the file are reached, and get passwords of sources')
    .action(async ({ file, test, passwordsStdin, yes }: ApplyFlags) => {
      const { readConfigFile } = await import('../config/configFile.ts');
      const { hosts, environments } = await readConfigFile(file, surroundings.cwd);
      if (environments.size === 0)
        throw fail('invalid_file', {
          file,
          problems: [`${file}: there is no "environments:" in it, so there is nothing to declare`],
        });
      const given =
        passwordsStdin === true
          ? await (await import('./givenPasswords.ts')).readGivenPasswords(session)
          : {};
      const declined = await joinDeclared(session, hosts, { file, yes });
      const { left, leftOut } = withoutDeclined(session, environments, declined, file);
      const items = await applyEnvironments(session, left, { test, given, yes });
      output.answer({
        json: { items, leftOut },
        text: () => items.map((each) => `${each.environment.name}: ${each.outcome}`).join('\n'),
      });
    });
}

function addList(environment: Command, session: Session): void {
  const { output, signal, surroundings } = session;
  environment
    .command('list')
    .description('all environments')
    .action(async () => {
      const client = await session.client();
      if (output.json) {
        output.answer({ json: await client.call('environmentList', {}, { signal }), text: () => '' });
        return;
      }
      const { environments, snapshots, clones } = await client.call('overview', {}, { signal });
      const latest = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]));
      output.answer({
        json: null,
        text: () =>
          formatTable(
            ['NAME', 'HOST', 'MEMBERS', 'LATEST DATA', 'SNAPSHOTS', 'CLONES', 'REFRESH'],
            environments.map((each) => {
              const newest = each.latestSnapshot === null ? undefined : latest.get(each.latestSnapshot);
              return [
                each.name,
                each.definition.host,
                Object.keys(each.definition.members).join(', '),
                formatAge(newest?.dataStateAt ?? newest?.createdAt ?? null, surroundings.now()),
                String(snapshots.filter((snapshot) => snapshot.environment === each.name).length),
                String(clones.filter((clone) => clone.environment === each.name).length),
                each.refreshJob === null ? '-' : 'running',
              ];
            }),
          ),
      });
    });
}

function addShow(environment: Command, session: Session): void {
  const { output, signal } = session;
  environment
    .command('show')
    .description('one environment')
    .argument('<name>', 'an environment')
    .action(async (name: string) => {
      const client = await session.client();
      const found = await client.call('environmentShow', { params: { environment: name } }, { signal });
      output.answer({ json: found, text: () => environmentText(found) });
    });
}

function addDelete(environment: Command, session: Session): void {
  const { output, signal } = session;
  environment
    .command('delete')
    .description('delete an environment and its snapshots; refused while it has clones')
    .argument('<name>', 'an environment')
    .option('-y, --yes', 'do not ask')
    .action(async (name: string, { yes }: { yes?: boolean }) => {
      const client = await session.client();
      const params = { environment: name };
      const found = await client.call('environmentShow', { params }, { signal });
      const { items } = await client.call('snapshotList', { query: params }, { signal });
      const also =
        items.length === 0 ? '' : ` and its ${items.length} snapshot${items.length === 1 ? '' : 's'}`;
      await confirm(session.prompter, { question: `Delete environment ${found.name}${also}?`, yes });
      const input = { params: { environment: found.name } };
      const ended = await runJob(session, (following) => client.call('environmentDelete', input, following));
      output.answer({ json: ended, text: () => `Environment ${found.name} is deleted.` });
    });
}

function addRefresh(environment: Command, session: Session): void {
  const { output, surroundings } = session;
  environment
    .command('refresh')
    .description('retrieve the data of all members and make a new snapshot; clones stay as they are')
    .argument('<name>', 'an environment')
    .option('--name <snapshot>', 'a name for the new snapshot')
    .option('--queue', 'wait for its turn where another job works on the environment, as for a schedule')
    .option('-y, --yes', 'do not ask before a host gets passwords of sources')
    .action(async (name: string, options: { name?: string; queue?: true; yes?: boolean }) => {
      const made = await refresh(session, name, {
        ...{ name: options.name, waits: options.queue, yes: options.yes },
      });
      output.answer({ json: made, text: () => snapshotText(made, surroundings.now()) });
    });
}

function addSchema(environment: Command, session: Session): void {
  const { output } = session;
  environment
    .command('schema')
    .description('print the JSON schema of thin-clones.yaml, for editors')
    .action(async () => {
      const { configFileJsonSchema } = await import('../protocol/configFile.ts');
      const schema = configFileJsonSchema();
      output.answer({ json: schema, text: () => JSON.stringify(schema, null, 2) });
    });
}
