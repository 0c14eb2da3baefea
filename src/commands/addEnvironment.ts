/** Adds an environment: from a pasted connection URL, one found in the workspace, a dump file or a data directory. */
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
import { askPassword } from '../dialogs/askPassword.ts';
import { nameEnvironment } from '../dialogs/nameEnvironment.ts';
import { pickValue } from '../dialogs/pick.ts';
import { sentences } from '../dialogs/sentences.ts';
import { withToast } from '../dialogs/toast.ts';
import { openPage } from '../documents.ts';
import type { Services } from '../services.ts';
import {
  nameFrom,
  parseConnectionUrl,
  type ConnectionUrl,
  type ParsedUrl,
} from '../sources/connectionUrl.ts';
import { findConfigFiles, findWorkspaceUrls } from '../sources/workspaceFiles.ts';
import { countOf, sizeOf } from '../views/amounts.ts';
import { escaped } from '../views/markdown.ts';
import { commandLink } from './commandLink.ts';
import { refreshNow } from './refreshEnvironment.ts';
import { runCommand } from './runCommand.ts';

const title = 'Add Environment';

type Start =
  | { readonly from: 'url'; readonly found?: ConnectionUrl }
  | { readonly from: 'dump' }
  | { readonly from: 'directory' }
  | { readonly from: 'file'; readonly uri: vscode.Uri };

/** A source that answered, or that is saved as it is. */
interface Source {
  readonly member: MemberDefinition;
  readonly password: string | undefined;
  readonly report: SourceReport | undefined;
  /** Where a name can come from: a database, a file. */
  readonly nameHint: string;
}

export async function addEnvironment(services: Services): Promise<void> {
  const client = await services.client();
  const start = await chooseStart();
  if (start === undefined) return;
  if (start.from === 'file') {
    await runCommand('thinClones.environment.apply', start.uri);
    return;
  }
  const source = await sourceFrom(services, client, start);
  if (source === undefined) return;
  const selected = await chooseTables(source);
  if (selected === undefined) return;
  await save(services, client, selected);
}

async function chooseStart(): Promise<Start | undefined> {
  const [urls, files] = await Promise.all([findWorkspaceUrls(), findConfigFiles()]);
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator }) as const;
  return await pickValue<Start>(
    [
      ...(urls.length + files.length === 0 ? [] : [separator('Found in this workspace')]),
      ...files.map((uri) => ({
        label: `$(file-code) ${vscode.workspace.asRelativePath(uri)}`,
        description: 'declare the environments of this file',
        value: { from: 'file', uri } as const,
      })),
      ...urls.map(({ file, found }) => ({
        label: `$(database) ${found.connection.database} at ${found.connection.host}`,
        description: `${found.variable} in ${vscode.workspace.asRelativePath(file)}`,
        value: { from: 'url', found: found.connection } as const,
      })),
      separator('Where the data comes from'),
      {
        label: '$(plug) Connection URL…',
        description: 'a running PostgreSQL; it is only read',
        value: { from: 'url' },
      },
      {
        label: '$(file-zip) Dump…',
        description: 'a file or folder made by pg_dump, also gzipped',
        value: { from: 'dump' },
      },
      {
        label: '$(folder) Data directory…',
        description: 'of a stopped PostgreSQL server',
        value: { from: 'directory' },
      },
    ],
    { title, placeHolder: 'Which data should clones have?' },
  );
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

function urlMessage(parsed: ParsedUrl): string | vscode.InputBoxValidationMessage | undefined {
  if (!parsed.ok) return parsed.problem;
  const { notes } = parsed.value;
  return notes.length === 0
    ? undefined
    : { message: notes.join(' '), severity: vscode.InputBoxValidationSeverity.Info };
}

async function askUrl(value: string): Promise<ConnectionUrl | undefined> {
  const answer = await vscode.window.showInputBox({
    title,
    prompt:
      'Connection URL of the database to copy. A password in it is kept in the secret storage, apart from the URL.',
    placeHolder: 'postgresql://user:password@host:5432/database?sslmode=require',
    value,
    ignoreFocusOut: true,
    validateInput: (text) => {
      return urlMessage(parseConnectionUrl(text));
    },
  });
  const parsed = answer === undefined ? undefined : parseConnectionUrl(answer);
  return parsed?.ok === true ? parsed.value : undefined;
}

async function urlSource(
  services: Services,
  client: Client,
  found: ConnectionUrl | undefined,
): Promise<Source | undefined> {
  let connection = found ?? (await askUrl(''));
  let password = connection?.password;
  while (connection !== undefined) {
    const member: MemberDefinition = { engine: 'postgres', retrieval: 'logical', url: connection.url };
    const report = await testSource(client, member, password);
    if (report === undefined) return undefined;
    if (isUsable(report)) {
      const warnings = [...connection.notes, ...report.warnings];
      return { member, password, report: { ...report, warnings }, nameHint: connection.database };
    }
    const step = await askNextStep(services, report, connection);
    switch (step) {
      case undefined:
        return undefined;
      case 'edit': {
        const edited = await askUrl(connection.url);
        // The box shows the URL without its password: one that is not typed again stays.
        password = edited === undefined ? undefined : (edited.password ?? password);
        connection = edited;
        break;
      }
      case 'password': {
        const answer = await askPassword({
          title,
          prompt: `Password for ${connection.user ?? 'the user'} at ${connection.host}`,
        });
        if (answer === undefined) return undefined;
        password = answer;
        break;
      }
      case 'again':
        break;
    }
  }
  return undefined;
}

async function pathSource(
  services: Services,
  client: Client,
  retrieval: 'dump' | 'directory',
): Promise<Source | undefined> {
  for (;;) {
    const [chosen] =
      (await vscode.window.showOpenDialog({
        title: retrieval === 'dump' ? 'Dump made by pg_dump' : 'PostgreSQL data directory',
        openLabel: retrieval === 'dump' ? 'Use This Dump' : 'Use This Directory',
        canSelectFiles: retrieval === 'dump',
        // A dump in directory format is a folder.
        canSelectFolders: true,
      })) ?? [];
    if (chosen === undefined) return undefined;
    const member: MemberDefinition = { engine: 'postgres', retrieval, [retrieval]: chosen.fsPath };
    const report = await testSource(client, member, undefined);
    if (report === undefined) return undefined;
    if (isUsable(report)) {
      return { member, password: undefined, report, nameHint: chosen.fsPath };
    }
    const step = await askNextStep(services, report, undefined);
    if (step === undefined) return undefined;
  }
}

/** undefined when it was canceled. */
async function testSource(
  client: Client,
  member: MemberDefinition,
  password: string | undefined,
): Promise<SourceReport | undefined> {
  const { result, gone } = await withToast('Testing the source', async (signal) => {
    try {
      return await client.call(
        'sourceTest',
        { body: { member, ...(password !== undefined && { password }) } },
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

type NextStep = 'edit' | 'password' | 'again';

/** The exact problem, its next step, and a button for each thing that can be done about it. */
async function askNextStep(
  services: Services,
  report: SourceReport,
  connection: ConnectionUrl | undefined,
): Promise<NextStep | undefined> {
  const problem: ErrorDocument = report.error ?? {
    code: 'source_failed',
    message: 'The source can not be used.',
    next: report.warnings.join(' '),
    retryable: false,
    details: {},
  };
  services.log.warn(`Source test: ${problem.code}: ${problem.message}`);
  const password = 'Enter Password';
  const edit = connection === undefined ? 'Choose Another' : 'Edit URL';
  const again = 'Try Again';
  const details = 'Show Details';
  const wantsPassword = ['source_password', 'source_password_missing'].includes(problem.code);
  const buttons = [...(wantsPassword ? [password] : []), edit, ...(wantsPassword ? [] : [again]), details];
  const chosen = await vscode.window.showErrorMessage(sentences(problem.message, problem.next), ...buttons);
  switch (chosen) {
    case password:
      return 'password';
    case edit:
      return 'edit';
    case again:
      return 'again';
    case details:
      await openPage('Source test', detailsOf(problem, report, connection));
      return undefined;
    default:
      return undefined;
  }
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
    ...(report.serverVersion === null ? [] : [`**Server:** PostgreSQL ${escaped(report.serverVersion)}`]),
    ...report.warnings.map((warning) => `! ${escaped(warning)}`),
    '```json\n' + JSON.stringify(problem.details, undefined, 2) + '\n```',
    commandLink('Add the environment again', 'thinClones.environment.add'),
  ].join('\n\n');
}

/** Everything, or some schemas. A source without a list of tables is taken as a whole. */
async function chooseTables(source: Source): Promise<Source | undefined> {
  const tables = source.report?.tables ?? [];
  const schemas = new Map<string, { tables: number; bytes: number }>();
  for (const { schema, bytes } of tables) {
    const known = schemas.get(schema) ?? { tables: 0, bytes: 0 };
    schemas.set(schema, { tables: known.tables + 1, bytes: known.bytes + bytes });
  }
  if (source.member.retrieval !== 'logical' || schemas.size < 2) return source;
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const all = await pickValue(
    [
      {
        label: '$(database) Everything',
        description: `${countOf(tables.length, 'table')}, ${sizeOf(bytes)}`,
        value: true,
      },
      { label: '$(list-selection) Choose schemas…', description: `${schemas.size} schemas`, value: false },
    ],
    { title, placeHolder: 'What should be copied?' },
  );
  if (all === undefined) return undefined;
  if (all) return source;
  const chosen = await vscode.window.showQuickPick(
    [...schemas].map(([label, known]) => ({
      label,
      description: `${countOf(known.tables, 'table')}, ${sizeOf(known.bytes)}`,
      picked: label === 'public',
    })),
    { title, placeHolder: 'Which schemas should be copied?', canPickMany: true, ignoreFocusOut: true },
  );
  if (chosen === undefined) return undefined;
  if (chosen.length === 0 || chosen.length === schemas.size) return source;
  return { ...source, member: { ...source.member, include: { schemas: chosen.map(({ label }) => label) } } };
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
    report?.serverVersion == null ? undefined : `PostgreSQL ${report.serverVersion}`,
    report === undefined || report.tables.length === 0 ? undefined : countOf(report.tables.length, 'table'),
    bytes === 0 ? undefined : sizeOf(bytes),
  ].filter((part) => part !== undefined);
  return `${found.length === 0 ? '' : `${found.join(', ')}. `}Name of the environment.`;
}
