/** Finds the servers of MongoDB's protocol that are on this machine. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { fail } from '../../protocol/errors.ts';
import type { DoctorCheck } from '../../protocol/entities.ts';
import type { ProgramPlaces } from '../engineModule.ts';
import { flavours, versionText, type Flavour } from './flavours.ts';

export interface ServerProgram {
  readonly flavour: Flavour;
  /** "1.24", "7.0": what data must fit. */
  readonly version: string;
  readonly file: string;
}

/** All servers that are here, the first of them for new data. */
export type FindServers = () => Promise<readonly ServerProgram[]>;

const INSTALL =
  'Install MongoDB (mongod) or FerretDB 1.24, or name the program in THIN_CLONES_MONGOD or THIN_CLONES_FERRETDB.';

/** Rejects with `programs_missing`. Without a version: the one for new data. */
export async function serverFor(
  find: FindServers,
  wanted: { flavour: Flavour; version: string } | undefined,
  purpose: string,
): Promise<ServerProgram> {
  const servers = await find();
  const server = servers.find(
    ({ flavour, version }) =>
      wanted === undefined || (flavour === wanted.flavour && version === wanted.version),
  );
  if (server !== undefined) return server;
  const what =
    wanted === undefined ? 'A server for MongoDB data' : versionText(wanted.flavour, wanted.version);
  const searched = servers.length === 0 ? ['PATH', ...cacheFolders()] : servers.map(({ file }) => file);
  throw fail('programs_missing', { what: `${what}, ${purpose},`, searched, install: INSTALL });
}

/** Where people's tools have put a mongod: mongodb-memory-server keeps it in these. */
const cacheFolders = (): readonly string[] => [
  path.join(homedir(), '.cache', 'mongodb-binaries'),
  path.join('node_modules', '.cache', 'mongodb-memory-server'),
];

/** What is found is remembered while the file stays as it was: asking a program for its version takes as long as starting it. */
export function findServers({ variables, machine, programsDirectory }: ProgramPlaces): FindServers {
  const known = new Map<string, { state: string; server: ServerProgram | undefined }>();
  return async () => {
    const found: ServerProgram[] = [];
    for (const candidate of await candidates(variables)) {
      const facts = await stat(candidate.file);
      const state = `${facts.size} ${facts.mtimeMs}`;
      const before = known.get(candidate.file);
      const server = before?.state === state ? before.server : await examine(candidate);
      known.set(candidate.file, { state, server });
      if (server === undefined) continue;
      const reachable =
        machine.serverUser === undefined ? server.file : await stage(server.file, state, programsDirectory);
      found.push({ ...server, file: reachable });
    }
    return found;
  };
}

interface Candidate {
  flavour: Flavour;
  file: string;
}

async function candidates(variables: ProgramPlaces['variables']): Promise<readonly Candidate[]> {
  const found: Candidate[] = [];
  for (const flavour of [...flavours].reverse()) {
    const named = variables[`THIN_CLONES_${flavour.name.toUpperCase()}`] ?? '';
    const folders = (variables['PATH'] ?? '')
      .split(path.delimiter)
      .filter((folder) => path.isAbsolute(folder));
    const files = [
      ...(named === '' ? [] : [named]),
      ...folders.map((folder) => path.join(folder, flavour.name)),
      ...(flavour.name === 'mongod' ? await cached() : []),
    ];
    for (const file of new Set(files)) if (await isProgram(file)) found.push({ flavour, file });
  }
  return found;
}

/** The newest first: `mongod-x64-ubuntu-7.0.14`, or a folder of a version with one. */
async function cached(): Promise<readonly string[]> {
  const files: string[] = [];
  for (const folder of cacheFolders()) {
    const names = await readdir(folder).catch(() => []); // best effort: most machines have none
    for (const name of names.sort((a, b) => b.localeCompare(a, 'en', { numeric: true })))
      files.push(path.join(folder, name), path.join(folder, name, 'mongod'));
  }
  return files.filter((file) => path.basename(file).startsWith('mongod'));
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

const run = promisify(execFile);
const VERSION_MS = 10_000;

/** undefined: it does not run here, or is no such program. */
async function examine({ flavour, file }: Candidate): Promise<ServerProgram | undefined> {
  const said = await run(file, ['--version'], { timeout: VERSION_MS }).catch(() => undefined); // best effort: the next one may run
  const [, version] = /(?:version:?\s*v?|db version v)(\d+\.\d+)/i.exec(said?.stdout ?? '') ?? [];
  return version === undefined ? undefined : { flavour, version, file };
}

/** A copy that the user who runs servers may read, where the engine is root and the folder is closed to others. */
async function stage(file: string, state: string, into: string): Promise<string> {
  if (await isOpenToAll(file)) return file;
  const place = path.join(into, `${path.basename(file)}-${state.replace(/\D+/g, '-')}`);
  if (await isProgram(place)) return place;
  await mkdir(into, { recursive: true, mode: 0o755 });
  const fresh = `${place}.${process.pid}.new`;
  await copyFile(file, fresh, constants.COPYFILE_FICLONE);
  await chmod(fresh, 0o755);
  await rename(fresh, place).catch(async (error: unknown) => {
    await rm(fresh, { force: true });
    throw error;
  });
  return place;
}

async function isOpenToAll(file: string): Promise<boolean> {
  for (let at = path.resolve(file); ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

/** What the doctor says of them. None is no problem: only who has such members needs one. */
export async function examineServers(places: ProgramPlaces): Promise<readonly DoctorCheck[]> {
  const [first] = await findServers(places)();
  const name = 'MongoDB server';
  return [
    first === undefined
      ? {
          name,
          status: 'ok',
          message: 'none: needed for members of MongoDB only',
          fix: null,
          advice: INSTALL,
        }
      : { name, status: 'ok', message: `${first.flavour.title} ${first.version}`, fix: null, advice: null },
  ];
}
