/** Tells which hosts the user's ssh configuration names, for people to choose from: ssh itself reads what stands there of one. */
import { glob } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { SshName } from '../../protocol/entities.ts';
import { readRegularText } from '../../protocol/node/regularFile.ts';
import { parseSshAddress } from '../../protocol/sshAddress.ts';

export interface ConfiguredNamesOptions {
  /** Of the user: `~` in the file, and where `.ssh` is. */
  home: string;
  /** Instead of the user's own configuration. */
  configFile?: string | undefined;
}

const mostBytes = 1024 * 1024;
/** Files that are read for one answer; ssh itself follows includes 16 deep. */
const mostFiles = 200;
const mostNames = 1000;

/** What a file says line by line; of a `Match` nothing counts, since only ssh knows whether it is so. */
interface Reading {
  readonly names: Map<string, SshName>;
  readonly read: Set<string>;
}

/** In the order of the file. What can't be read is left out: ssh says so when it is used. */
export async function configuredNames({ home, configFile }: ConfiguredNamesOptions): Promise<SshName[]> {
  const folder = join(home, '.ssh');
  const reading: Reading = { names: new Map(), read: new Set() };
  await readInto(reading, configFile ?? join(folder, 'config'), { home, folder });
  return [...reading.names.values()].slice(0, mostNames);
}

async function readInto(
  reading: Reading,
  file: string,
  where: { home: string; folder: string },
): Promise<void> {
  if (reading.read.has(file) || reading.read.size >= mostFiles) return;
  reading.read.add(file);
  let text: string;
  try {
    text = await readRegularText(file, { links: 'followed', maxBytes: mostBytes });
  } catch {
    // best effort: most people have no such file, and a file that can't be read names nothing
    return;
  }
  let section: readonly string[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)) {
    const [keyword = '', ...values] = wordsOf(line);
    switch (keyword.toLowerCase()) {
      case 'host':
        section = values.filter(isName);
        for (const name of section) learn(reading, name, {});
        break;
      case 'match':
        section = [];
        break;
      case 'include':
        for (const pattern of values)
          for (const found of await filesOf(pattern, where)) await readInto(reading, found, where);
        break;
      case 'hostname':
      case 'user':
      case 'port':
        for (const name of section) learn(reading, name, factOf(keyword, values[0]));
        break;
    }
  }
}

/** Neither a pattern nor what an address can't hold. */
function isName(text: string): boolean {
  if (/[*?!]/.test(text)) return false;
  try {
    return parseSshAddress(`ssh://${text}`).host === text;
  } catch {
    // best effort: what can't be an address can't be chosen
    return false;
  }
}

type Facts = Partial<Omit<SshName, 'name'>>;

function factOf(keyword: string, value: string | undefined): Facts {
  if (value === undefined) return {};
  switch (keyword.toLowerCase()) {
    case 'hostname':
      return { hostName: value };
    case 'user':
      return { user: value };
    default:
      return /^[0-9]{1,5}$/.test(value) ? { port: Number(value) } : {};
  }
}

/** What stands first counts, as for ssh. */
function learn({ names }: Reading, name: string, facts: Facts): void {
  const known = names.get(name) ?? { name, hostName: null, user: null, port: null };
  names.set(name, {
    name,
    hostName: known.hostName ?? facts.hostName ?? null,
    user: known.user ?? facts.user ?? null,
    port: known.port ?? facts.port ?? null,
  });
}

/** ssh_config(5): the keyword ends at a space or a "=", a value with spaces stands in double quotes, "#" begins a comment. */
function wordsOf(line: string): string[] {
  const [, keyword, rest = ''] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
  if (keyword === undefined) return [];
  const words: string[] = [];
  for (const [word, quoted] of rest.matchAll(/"([^"]*)(?:"|$)|[^\s"]+/g)) {
    if (quoted === undefined && word.startsWith('#')) break;
    words.push(quoted ?? word);
  }
  return [keyword, ...words];
}

/** In a configuration of the user a relative path is one of `~/.ssh`. */
async function filesOf(
  pattern: string,
  { home, folder }: { home: string; folder: string },
): Promise<string[]> {
  const path = /^~(?=$|[/\\])/.test(pattern) ? join(home, pattern.slice(1)) : pattern;
  const found: string[] = [];
  try {
    for await (const each of glob(isAbsolute(path) ? path : join(folder, path))) {
      found.push(each);
      if (found.length >= mostFiles) break;
    }
  } catch {
    // best effort: a folder that can't be read names nothing
  }
  return found.sort();
}
