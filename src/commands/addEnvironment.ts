/** Adds an environment: from a pasted connection URL, one found in the workspace, a dump file or a data directory. */
import { wordsOf } from '../../engine/protocol/engineWords.ts';
import * as vscode from 'vscode';
import type { Client } from '../../engine/protocol/client.ts';
import type {
  EnvironmentDefinition,
  ErrorDocument,
  Host,
  MemberDefinition,
  SourceReport,
} from '../../engine/protocol/entities.ts';
import { environmentDefinitionSchema } from '../../engine/protocol/entities.ts';
import { environmentNameSchema, memberNameSchema } from '../../engine/protocol/ids.ts';
import { askSource } from '../dialogs/askSource.ts';
import { nameEnvironment } from '../dialogs/nameEnvironment.ts';
import { sentences } from '../dialogs/sentences.ts';
import { withToast } from '../dialogs/toast.ts';
import { openPage } from '../documents.ts';
import { askHost } from '../hosts/askHost.ts';
import { mayTakePasswords } from '../hosts/passwordConsent.ts';
import type { Services } from '../services.ts';
import { nameFrom, type ConnectionUrl } from '../sources/connectionUrl.ts';
import { countOf, sizeOf } from '../views/amounts.ts';
import { escaped } from '../views/markdown.ts';
import type { RowOf } from '../views/rowId.ts';
import { chooseStart, type Start } from './chooseStart.ts';
import { chooseTables } from './chooseTables.ts';
import { commandLink } from './commandLink.ts';
import { refreshNow } from './refreshEnvironment.ts';
import { runCommand } from './runCommand.ts';

/** Where it is to live. */
interface Place {
  readonly host: Host;
  readonly isRemote: boolean;
  readonly title: string;
}

const placeOn = (host: Host): Place => {
  const isRemote = host.kind !== 'local';
  return { host, isRemote, title: isRemote ? `Add Environment on ${host.name}` : 'Add Environment' };
};

/** A source that answered, or that is saved as it is. */
interface Source {
  readonly member: MemberDefinition;
  readonly password: string | undefined;
  readonly report: SourceReport | undefined;
  /** Where a name can come from: a database, a file. */
  readonly nameHint: string;
}

export async function addEnvironment(services: Services, row?: RowOf<'host'>): Promise<void> {
  const client = await services.client();
  const host = await askHost(services, row, {
    title: 'Add Environment',
    placeHolder: 'On which host? Its data and clones live there.',
  });
  if (host === undefined) return;
  const place = placeOn(host);
  const start = await chooseStart(place.title);
  if (start === undefined) return;
  if (start.from === 'file') {
    await runCommand('thinClones.environment.apply', start.uri);
    return;
  }
  const source = await sourceFrom(services, client, place, start);
  if (source === undefined) return;
  const member = await chooseTables(place.title, source.member, source.report?.tables ?? []);
  if (member !== undefined) await save(services, client, place, { ...source, member });
}

async function sourceFrom(
  services: Services,
  client: Client,
  place: Place,
  start: Exclude<Start, { from: 'file' }>,
): Promise<Source | undefined> {
  switch (start.from) {
    case 'url':
      return await urlSource(services, client, place, start.found);
    case 'dump':
      return await pathSource(services, client, place, 'dump');
    case 'directory':
      return await pathSource(services, client, place, 'directory');
  }
}

async function urlSource(
  services: Services,
  client: Client,
  { host, isRemote, title }: Place,
  found: ConnectionUrl | undefined,
): Promise<Source | undefined> {
  let showDetails = (): Promise<void> => Promise.resolve();
  const memberOf = ({ engine, url }: ConnectionUrl): MemberDefinition => ({
    ...{ engine, retrieval: 'logical', url },
  });
  const source = await askSource({
    ...{ title, found },
    ...(isRemote && { reader: host.name }),
    async test(connection, password, signal) {
      if (password !== undefined && !(await mayTakePasswords(services, client, host.name)))
        return {
          text: `The password is not sent to ${host.name}, which reads the source.`,
          wantsPassword: false,
        };
      const body = {
        member: memberOf(connection),
        ...(isRemote && { host: host.name }),
        ...(password !== undefined && { password }),
      };
      const report = await client.call('sourceTest', { body }, { signal });
      if (isUsable(report)) return report;
      const problem = problemOf(services, report);
      showDetails = () => openPage('Source test', detailsOf(problem, report, connection));
      const { code, message, next } = problem;
      return { text: sentences(message, next), wantsPassword: wantsPassword(code) };
    },
    showDetails: () => showDetails(),
  });
  if (source === undefined) return undefined;
  const { connection, password, report } = source;
  const warnings = [...connection.notes, ...report.warnings];
  return {
    ...{ member: memberOf(connection), password, report: { ...report, warnings } },
    nameHint: connection.database,
  };
}

async function pathSource(
  services: Services,
  client: Client,
  place: Place,
  retrieval: 'dump' | 'directory',
): Promise<Source | undefined> {
  let path: string | undefined;
  for (;;) {
    path = place.isRemote ? await askPathThere(place, retrieval, path) : await choosePath(retrieval);
    if (path === undefined) return undefined;
    const member: MemberDefinition = { engine: wordsOf().key, retrieval, [retrieval]: path };
    const report = await testSource(client, place, member);
    if (report === undefined) return undefined;
    if (isUsable(report)) {
      return { member, password: undefined, report, nameHint: path };
    }
    if (!(await wantsAnother(services, report))) return undefined;
  }
}

const pathTitles = {
  dump: () => `Dump made by ${wordsOf().dumpProgram}`,
  directory: () => `${wordsOf().title} data directory`,
};

async function choosePath(retrieval: 'dump' | 'directory'): Promise<string | undefined> {
  const [chosen] =
    (await vscode.window.showOpenDialog({
      title: pathTitles[retrieval](),
      openLabel: retrieval === 'dump' ? 'Use This Dump' : 'Use This Directory',
      canSelectFiles: retrieval === 'dump',
      // A dump in directory format is a folder.
      canSelectFolders: true,
    })) ?? [];
  return chosen?.fsPath;
}

/** VS Code's dialog shows the files of this machine. */
async function askPathThere(
  { host, title }: Place,
  retrieval: 'dump' | 'directory',
  value: string | undefined,
): Promise<string | undefined> {
  const path = await vscode.window.showInputBox({
    title,
    prompt: `${pathTitles[retrieval]()}: its path on ${host.name}`,
    placeHolder: retrieval === 'dump' ? '/srv/dumps/shop.dump' : '/srv/data/main',
    ignoreFocusOut: true,
    ...(value !== undefined && { value }),
    validateInput: (text) => (text.startsWith('/') ? undefined : 'Type the whole path, from / on.'),
  });
  return path;
}

/** undefined when it was canceled. */
async function testSource(
  client: Client,
  { host, isRemote }: Place,
  member: MemberDefinition,
): Promise<SourceReport | undefined> {
  const { result, gone } = await withToast('Testing the source', async (signal) => {
    try {
      return await client.call(
        'sourceTest',
        { body: { member, ...(isRemote && { host: host.name }) } },
        { signal },
      );
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  });
  // What is wrong is told in a message of its own.
  if (result !== undefined && !isUsable(result)) await gone();
  return result;
}

const isUsable = ({ error, ok }: SourceReport): boolean => error === null && ok;

const wantsPassword = (code: string): boolean =>
  ['source_password', 'source_password_missing'].includes(code);

function problemOf(services: Services, report: SourceReport): ErrorDocument {
  const problem: ErrorDocument = report.error ?? {
    code: 'source_failed',
    message: 'The source can not be used.',
    next: report.warnings.join(' '),
    retryable: false,
    details: {},
  };
  services.log.warn(`Source test: ${problem.code}: ${problem.message}`);
  return problem;
}

/** The exact problem of a file or folder, its next step, and the way to another one. */
async function wantsAnother(services: Services, report: SourceReport): Promise<boolean> {
  const problem = problemOf(services, report);
  const another = 'Choose Another';
  const details = 'Show Details';
  const text = sentences(problem.message, problem.next);
  const chosen = await vscode.window.showErrorMessage(text, another, details);
  if (chosen === details) await openPage('Source test', detailsOf(problem, report, undefined));
  return chosen === another;
}

function detailsOf(
  problem: ErrorDocument,
  report: SourceReport,
  connection: ConnectionUrl | undefined,
): string {
  return [
    '# Source test',
    `✗ ${escaped(problem.message)}`,
    escaped(problem.next),
    ...(connection === undefined ? [] : [`**URL:** \`${connection.url}\``]),
    `**Code:** \`${problem.code}\``,
    ...(report.serverVersion === null
      ? []
      : [`**Server:** ${wordsOf(connection?.engine).title} ${escaped(report.serverVersion)}`]),
    ...report.warnings.map((warning) => `! ${escaped(warning)}`),
    '```json\n' + JSON.stringify(problem.details, undefined, 2) + '\n```',
    commandLink('Add the environment again', 'thinClones.environment.add'),
  ].join('\n\n');
}

async function save(
  services: Services,
  client: Client,
  { host, isRemote, title }: Place,
  source: Source,
): Promise<void> {
  const prefix = isRemote ? `${host.name}/` : '';
  const taken = [...services.session.model.environments.values()]
    .filter(({ definition }) => definition.host === host.name)
    .map(({ name }) => name.slice(prefix.length));
  const named = await nameEnvironment({
    title,
    prompt: reportText(source),
    value: nameFrom(source.nameHint, (candidate) => taken.includes(candidate), 'environment'),
    taken,
  });
  if (named === undefined) return;
  const name = environmentNameSchema.parse(`${prefix}${named.name}`);
  const member = memberNameSchema.parse(nameFrom(source.nameHint, () => false, 'database'));
  const definition: EnvironmentDefinition = environmentDefinitionSchema.parse({
    host: host.name,
    members: { [member]: source.member },
  });
  if (source.password !== undefined) await services.passwords.store(name, member, source.password);
  const isFirst = services.session.model.environments.size === 0;
  const { environment } = await client.call('environmentApply', {
    params: { name },
    body: { definition, ...(source.password !== undefined && { passwords: { [member]: source.password } }) },
  });
  // The button that had the focus goes with the welcome: somebody at the keyboard goes on from the new row.
  await services.tree.reveal({ kind: 'environment', key: environment.name }, { focus: isFirst });
  if (named.takesSnapshot) await refreshNow(services, environment);
}

/** "PostgreSQL 16.4, 12 tables, 842 MB. Name of the environment." */
function reportText({ member, report }: Source): string {
  const bytes = report?.tables.reduce((sum, table) => sum + table.bytes, 0) ?? 0;
  const found = [
    report?.serverVersion == null ? undefined : `${wordsOf(member.engine).title} ${report.serverVersion}`,
    report === undefined || report.tables.length === 0 ? undefined : countOf(report.tables.length, 'table'),
    bytes === 0 ? undefined : sizeOf(bytes),
  ].filter((part) => part !== undefined);
  return `${found.length === 0 ? '' : `${found.join(', ')}. `}Name of the environment.`;
}
