/** Finds what still leads to the source of an environment in the text of a `.env` file. */
import type { EnvironmentDefinition } from './entities.ts';

export interface SourceVariable {
  readonly variable: string;
  /** 1 for the first. */
  readonly line: number;
  /** Whose source it is. */
  readonly member: string;
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:]\s*(.*)$/;
const url = /^["'`]?(?:jdbc:)?(postgres(?:ql)?:\/\/[^\s"'`]+)/i;
const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Where a URL leads, however it is written; undefined when it leads nowhere in particular. */
function addressOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const parsed = new URL(text);
  const host = (parsed.searchParams.get('host') ?? parsed.hostname).toLowerCase();
  const port = parsed.searchParams.get('port') ?? parsed.port;
  const database = parsed.searchParams.get('dbname') ?? parsed.pathname.replace(/^\//, '');
  return JSON.stringify([loopback.test(host) ? 'localhost' : host, port === '' ? '5432' : port, database]);
}

/** Of a variable that is set several times the last value counts, as for every program that reads such files. */
export function sourceVariables(text: string, { members }: EnvironmentDefinition): SourceVariable[] {
  const sources = new Map<string, string>();
  for (const [member, definition] of Object.entries(members)) {
    const address = definition.url === undefined ? undefined : addressOf(definition.url);
    if (address !== undefined) sources.set(address, member);
  }
  if (sources.size === 0) return [];
  const found = new Map<string, SourceVariable>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, variable, value = ''] = assignment.exec(line) ?? [];
    if (variable === undefined) continue;
    const address = addressOf(url.exec(value)?.[1] ?? '');
    const member = address === undefined ? undefined : sources.get(address);
    if (member === undefined) found.delete(variable);
    else found.set(variable, { variable, line: index + 1, member });
  }
  return [...found.values()];
}

/** Names of files that programs read; templates for people are none. */
export const isSettingsFile = (name: string): boolean =>
  /^\.env(\.[\w.-]+)?$/.test(name) && !/\.(example|sample|template|dist)$/.test(name);

/** In bytes; a larger one is something else. */
export const largestEnvFile = 100_000;
