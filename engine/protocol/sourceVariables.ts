/** Finds what still leads to the source of an environment in the text of a `.env` file. */
import { readConnectionUrl } from './connectionUrl/connectionUrl.ts';
import type { EnvironmentDefinition } from './entities.ts';

export interface SourceVariable {
  readonly variable: string;
  /** 1 for the first. */
  readonly line: number;
  /** Whose source it is. */
  readonly member: string;
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:]\s*(.*)$/;
const loopback = /^(localhost|127(\.\d+){3}|::1|)$/;

/** Where a URL leads, however it is written; undefined when it leads nowhere in particular. */
function addressOf(text: string): string | undefined {
  const read = readConnectionUrl(text);
  if (!read.ok || (read.value.servers.length === 0 && read.value.parameters['service'] !== undefined))
    return undefined;
  const { servers, database, user } = read.value;
  const places = (servers.length === 0 ? [{ host: '', hostaddr: undefined, port: undefined }] : servers).map(
    ({ host, hostaddr, port }) => {
      const name = (host || (hostaddr ?? '')).toLowerCase();
      return `${loopback.test(name) ? 'localhost' : name} ${port ?? 5432}`;
    },
  );
  return JSON.stringify([places.sort(), database ?? user ?? '']);
}

/** Ends at its closing quote, or at a comment after a space. */
function valueOf(text: string): string {
  const quoted = /^(["'`])(.*?)\1/.exec(text);
  return quoted?.[2] ?? text.replace(/\s+#.*$/, '').trim();
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
    const address = addressOf(valueOf(value));
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
