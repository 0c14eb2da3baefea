/** Reads `thin-clones.yaml`: all its problems at once, each with line, column and what was expected. */
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { isAlias, LineCounter, parseDocument, visit, type Document } from 'yaml';
import { configFileSchema, type DeclaredHost } from '../protocol/configFile.ts';
import type { EnvironmentDefinition } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { readRegularFile, UnfitFileError } from '../protocol/node/regularFile.ts';
import { workspaceSchema, type Workspace } from '../protocol/workspace.ts';
import { hostProblems } from './hostRules.ts';
import { problemsInFile } from './membersInFile.ts';
import { locate } from './places.ts';
import { takeReserved } from './reservedWords.ts';
import { describe, explained, isRecord, type Explained } from './wording.ts';
import { workspaceProblems } from './workspaceRules.ts';

export interface ConfigText {
  text: string;
  /** As it was typed: it opens every problem's line. */
  name: string;
  /** Relative paths inside the file start here. */
  directory: string;
}

/** Environments by name, with absolute paths. */
export type Environments = ReadonlyMap<string, EnvironmentDefinition>;

/** By name, as the file has them. */
export type DeclaredHosts = ReadonlyMap<string, DeclaredHost>;

export interface Config {
  hosts: DeclaredHosts;
  /** None when the file has only a `workspace:` section. */
  environments: Environments;
  workspace: Workspace | undefined;
}

interface Problem {
  offset: number;
  text: string;
  /** The key at the top of the file that it lies under; undefined for the file as a whole. */
  section: string | number | undefined;
  /** A known word of a later version, refused by name. */
  reserved: boolean;
}

const maxAliases = 100;

const quotePattern =
  'a "*" at the beginning means an alias in YAML: put a pattern that begins with it in quotes, as "**"';

function syntaxText(code: string, message: string, text: string, offset: number): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return `${JSON.stringify(/^[^:\s]*/.exec(text.slice(offset))?.[0] ?? '')} is there twice in one mapping: expected each key once`;
    case 'TAB_AS_INDENT':
      return 'a tab is used for indentation: expected spaces';
    case 'MULTIPLE_DOCS':
      return 'a second document begins here: expected one document in the file';
    case 'BAD_ALIAS':
      return quotePattern;
    default: {
      const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset);
      const hint = /[:,{]\s*\{[^{}"']+\.[a-z]+\}/.test(line)
        ? '; put {member.url} and the like in quotes'
        : '';
      return `this is not YAML: ${(message.split('\n')[0] ?? '').replace(/^./, (letter) => letter.toLowerCase())}${hint}`;
    }
  }
}

function absolute(path: string, directory: string): string {
  if (path === '~' || path.startsWith('~/')) return join(homedir(), path.slice(1));
  return isAbsolute(path) ? path : resolve(directory, path);
}

function withAbsolutePaths(definition: EnvironmentDefinition, directory: string): EnvironmentDefinition {
  const members = Object.entries(definition.members).map(([name, member]) => [
    name,
    {
      ...member,
      ...(member.directory === undefined ? {} : { directory: absolute(member.directory, directory) }),
      ...(member.dump === undefined ? {} : { dump: absolute(member.dump, directory) }),
      ...(member.password !== undefined && 'file' in member.password
        ? { password: { file: absolute(member.password.file, directory) } }
        : {}),
    },
  ]);
  return { ...definition, members: Object.fromEntries(members) as EnvironmentDefinition['members'] };
}

interface Examined {
  document: Document;
  lines: LineCounter;
  root: Record<string, unknown> | undefined;
  problems: Problem[];
}

/** Everything that is wrong with a text. Without `root`, what follows a broken line would be guesswork. */
function examine(text: string): Examined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  const problems: Problem[] = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
    offset: pos[0],
    text: syntaxText(code, message, text, pos[0]),
    section: undefined,
    reserved: false,
  }));
  const broken: Examined = { document, lines, root: undefined, problems };
  const atStart = (problem: string): Examined => {
    problems.push({
      offset: locate(document, []).value,
      text: problem,
      section: undefined,
      reserved: false,
    });
    return broken;
  };
  // A key that is there twice breaks nothing else.
  if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) return broken;
  // In one pass: asking each alias what it stands for goes through the whole document each time.
  const anchors = new Set<string>();
  let aliases = 0;
  visit(document, {
    Node(_, node) {
      if (isAlias(node)) {
        aliases += 1;
        if (anchors.has(node.source)) return;
        const offset = node.range?.[0] ?? 0;
        problems.push({ offset, text: quotePattern, section: undefined, reserved: false });
      } else if (node.anchor !== undefined) anchors.add(node.anchor);
    },
  });
  if (problems.some((problem) => problem.text === quotePattern)) return broken;
  // The library goes through all of them for each of them.
  if (aliases > maxAliases) return atStart(`it has ${aliases} aliases: expected at most ${maxAliases}`);

  let root: unknown;
  try {
    root = document.toJS({ maxAliasCount: maxAliases });
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return atStart(`its aliases can't be resolved: ${problem}`);
  }
  if (!isRecord(root)) {
    return atStart(
      `expected "version: 1" and "environments:" or "workspace:", or both, found ${describe(root)}`,
    );
  }
  const add = ({ path, at, text: problem }: Explained, reserved = false) =>
    problems.push({ offset: locate(document, path)[at], text: problem, section: path[0], reserved });
  for (const each of takeReserved(root)) add(each, true);
  for (const issue of configFileSchema.safeParse(root).error?.issues ?? [])
    for (const each of explained(issue, root)) add(each);
  if (root.environments === undefined && root.workspace === undefined)
    add({
      path: [],
      at: 'value',
      text: 'nothing is declared here: expected "environments:" or "workspace:", or both',
    });
  if (isRecord(root.environments)) {
    if (Object.keys(root.environments).length === 0)
      add({ path: ['environments'], at: 'value', text: 'expected at least one environment' });
    for (const [environmentName, environment] of Object.entries(root.environments)) {
      const members = isRecord(environment) ? environment.members : undefined;
      for (const [memberName, member] of Object.entries(isRecord(members) ? members : {})) {
        if (!isRecord(member)) continue;
        const path = ['environments', environmentName, 'members', memberName];
        for (const { key, at, text: problem } of problemsInFile(member))
          add({ path: [...path, key], at, text: problem });
      }
    }
  }
  for (const each of [...hostProblems(root), ...workspaceProblems(root)]) add(each);
  return { document, lines, root, problems };
}

/** Throws the problems, in the order of their lines. */
function refuse(name: string, lines: LineCounter, problems: readonly Problem[]): never {
  const seen = new Set<string>();
  const shown = problems
    .toSorted((a, b) => a.offset - b.offset)
    .map((problem) => {
      const { line, col } = lines.linePos(problem.offset);
      const later = problem.reserved ? 'not supported by this version: ' : '';
      return `${name}:${line}:${col}: ${later}${problem.text}`;
    })
    .filter((line) => !seen.has(line) && seen.add(line));
  if (problems.some(({ reserved }) => !reserved)) throw fail('invalid_file', { file: name, problems: shown });
  throw fail('not_supported', {
    feature: name,
    where: shown,
    instead: 'Remove it, or update Thin Clones when a version is there that knows it.',
  });
}

/** Errors: `invalid_file` with every problem; `not_supported` when all there is against it are words of later versions. */
export function parseConfig({ text, name, directory }: ConfigText): Config {
  const { root, lines, problems } = examine(text);
  const parsed = configFileSchema.safeParse(root);
  if (problems.length > 0 || !parsed.success) return refuse(name, lines, problems);
  const { hosts, environments, workspace } = parsed.data;
  return {
    hosts: new Map(Object.entries(hosts ?? {})),
    environments: new Map(
      Object.entries(environments ?? {}).map(([environmentName, definition]) => [
        environmentName,
        withAbsolutePaths(definition, directory),
      ]),
    ),
    workspace,
  };
}

/**
 * The `workspace:` section alone: what is wrong with an environment, or is a word of a later version there, does not
 * keep a checkout from its section. Errors: `invalid_file`.
 */
export function parseWorkspace({ text, name }: Omit<ConfigText, 'directory'>): Workspace | undefined {
  const { root, lines, problems } = examine(text);
  const own = problems.filter(({ section }) => section !== 'environments' && section !== 'hosts');
  if (own.length > 0 || root === undefined) return refuse(name, lines, own);
  return workspaceSchema.optional().parse(root.workspace);
}

const largest = 1_000_000;

/** Errors: `file_unreadable`; `invalid_file` also when it is no UTF-8 text or has more than 1 MB. */
export async function readConfigFile(file: string, cwd: string): Promise<Config> {
  const path = resolve(cwd, file);
  const refuse = (problem: string, cause?: unknown) =>
    fail('invalid_file', { file, problems: [problem] }, { cause });
  let bytes: Buffer;
  try {
    bytes = await readRegularFile(path, { links: 'followed', maxBytes: largest });
  } catch (error) {
    if (error instanceof UnfitFileError && error.code === 'TOO_LARGE')
      throw refuse(`${basename(path)} ${error.problem}`, error);
    const { code } = error as NodeJS.ErrnoException;
    const problem =
      code === 'EISDIR'
        ? 'it is a folder'
        : code === 'EACCES'
          ? 'no permission'
          : error instanceof UnfitFileError
            ? `it ${error.problem}`
            : (code ?? String(error));
    throw fail('file_unreadable', { path, missing: code === 'ENOENT', problem }, { cause: error });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw refuse(`${basename(path)} is no UTF-8 text`, error);
  }
  return parseConfig({ text, name: file, directory: dirname(path) });
}
