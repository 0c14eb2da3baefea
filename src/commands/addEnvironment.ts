/** Adds an environment: from a pasted connection URL, one found in the workspace, a dump file or a data directory. */
import { wordsOf } from '../../engine/protocol/engineWords.ts';
import * as vscode from 'vscode';
import type { Client } from '../../engine/protocol/client.ts';
import type {
  EnvironmentDefinition,
  ErrorDocument,
  MemberDefinition,
  SourceReport,
} from '../../engine/protocol/entities.ts';
import { environmentDefinitionSchema } from '../../engine/protocol/entities.ts';
import { memberNameSchema } from '../../engine/protocol/ids.ts';
import { askSource } from '../dialogs/askSource.ts';
import { nameEnvironment } from '../dialogs/nameEnvironment.ts';
import { sentences } from '../dialogs/sentences.ts';
import { withToast } from '../dialogs/toast.ts';
import { openPage } from '../documents.ts';
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

const title = 'Add Environment';

/** A source that answered, or that is saved as it is. */
interface Source {
  readonly member: MemberDefinition;
  readonly password: string | undefined;
  readonly report: SourceReport | undefined;
  /** Where a name can come from: a database, a file. */
  readonly nameHint: string;
}

export async function addEnvironment(services: Services, _row?: RowOf<'host'>): Promise<void> {
  const client = await services.client();
  const start = await chooseStart(title);
  if (start === undefined) return;
  if (start.from === 'file') {
    await runCommand('thinClones.environment.apply', start.uri);
    return;
  }
  const source = await sourceFrom(services, client, start);
  if (source === undefined) return;
  const member = await chooseTables(title, source.member, source.report?.tables ?? []);
  if (member !== undefined) await save(services, client, { ...source, member });
}

async function sourceFrom(
  services: Services,
  client: Client,
  start: Exclude<Start, { from: 'file' }>,
): Promise<Source | undefined> {
  switch (start.from) {
    case 'url':
      return await urlSource(services, client, start.found);
    case 'dump':
      return await pathSource(services, client, 'dump');
    case 'directory':
      return await pathSource(services, client, 'directory');
  }
}

async function urlSource(
  services: Services,
  client: Client,
  found: ConnectionUrl | undefined,
): Promise<Source | undefined> {
  let showDetails = (): Promise<void> => Promise.resolve();
  const memberOf = ({ url }: ConnectionUrl): MemberDefinition => ({
    ...{ engine: wordsOf().key, retrieval: 'logical', url },
  });
  const source = await askSource({
    ...{ title, found },
    async test(connection, password, signal) {
      const body = { member: memberOf(connection), ...(password !== undefined && { password }) };
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
  retrieval: 'dump' | 'directory',
): Promise<Source | undefined> {
  for (;;) {
    const [chosen] =
      (await vscode.window.showOpenDialog({
        title:
          retrieval === 'dump'
            ? `Dump made by ${wordsOf().dumpProgram}`
            : `${wordsOf().title} data directory`,
        openLabel: retrieval === 'dump' ? 'Use This Dump' : 'Use This Directory',
        canSelectFiles: retrieval === 'dump',
        // A dump in directory format is a folder.
        canSelectFolders: true,
      })) ?? [];
    if (chosen === undefined) return undefined;
    const member: MemberDefinition = { engine: wordsOf().key, retrieval, [retrieval]: chosen.fsPath };
    const report = await testSource(client, member);
    if (report === undefined) return undefined;
    if (isUsable(report)) {
      return { member, password: undefined, report, nameHint: chosen.fsPath };
    }
    if (!(await wantsAnother(services, report))) return undefined;
  }
}

/** undefined when it was canceled. */
async function testSource(client: Client, member: MemberDefinition): Promise<SourceReport | undefined> {
  const { result, gone } = await withToast('Testing the source', async (signal) => {
    try {
      return await client.call('sourceTest', { body: { member } }, { signal });
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
      : [`**Server:** ${wordsOf().title} ${escaped(report.serverVersion)}`]),
    ...report.warnings.map((warning) => `! ${escaped(warning)}`),
    '```json\n' + JSON.stringify(problem.details, undefined, 2) + '\n```',
    commandLink('Add the environment again', 'thinClones.environment.add'),
  ].join('\n\n');
}

async function save(services: Services, client: Client, source: Source): Promise<void> {
  const { environments } = services.session.model;
  const named = await nameEnvironment({
    title,
    prompt: reportText(source.report),
    value: nameFrom(source.nameHint, (candidate) => environments.has(candidate), 'environment'),
    taken: [...environments.keys()],
  });
  if (named === undefined) return;
  const { name } = named;
  const member = memberNameSchema.parse(nameFrom(source.nameHint, () => false, 'database'));
  const definition: EnvironmentDefinition = environmentDefinitionSchema.parse({
    members: { [member]: source.member },
  });
  if (source.password !== undefined) await services.passwords.store(name, member, source.password);
  const { environment } = await client.call('environmentApply', {
    params: { name },
    body: { definition, ...(source.password !== undefined && { passwords: { [member]: source.password } }) },
  });
  await services.tree.reveal({ kind: 'environment', key: name });
  if (named.takesSnapshot) await refreshNow(services, environment);
}

/** "PostgreSQL 16.4, 12 tables, 842 MB. Name of the environment." */
function reportText(report: SourceReport | undefined): string {
  const bytes = report?.tables.reduce((sum, table) => sum + table.bytes, 0) ?? 0;
  const found = [
    report?.serverVersion == null ? undefined : `${wordsOf().title} ${report.serverVersion}`,
    report === undefined || report.tables.length === 0 ? undefined : countOf(report.tables.length, 'table'),
    bytes === 0 ? undefined : sizeOf(bytes),
  ].filter((part) => part !== undefined);
  return `${found.length === 0 ? '' : `${found.join(', ')}. `}Name of the environment.`;
}
