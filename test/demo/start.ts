/**
 * `npm start`: a demo source with a Git workspace, registered and snapshotted; a clone created, ruined, reset and
 * destroyed with the times, branches switched with theirs; then VS Code on the workspace.
 * Usage: npm start -- [--headless] [--json] [--clean]
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { locateEngineProgram, thisNodeCanRunEngine } from '../../engine/cli/engineProgram.ts';
import { developmentFolder, fetchPrograms } from '../../engine/database/postgres/programs/fetch/fetch.ts';
import { findPrograms } from '../../engine/database/postgres/programs/local/find.ts';
import { BUNDLED_MAJOR, platformOf } from '../../engine/database/postgres/programs/fetch/pinned.ts';
import type {
  ClientPrograms,
  Located,
  ServerPrograms,
} from '../../engine/database/postgres/programs/locate.ts';
import { connectEngine } from '../../engine/protocol/node/launch.ts';
import { homePaths } from '../../engine/protocol/node/home.ts';
import {
  bold,
  cyan,
  dim,
  formatBytes,
  formatMs,
  formatTable,
  green,
  red,
} from '../support/commands/terminal.ts';
import { testHost } from '../support/postgresSource.ts';
import { describeMissing, ensureSystemPackages } from '../support/systemPackages.ts';
import { openVSCode } from '../support/vscode/open.ts';
import { tellBranches, type BranchTimes } from './branches.ts';
import { removeDemo, stopDemo } from './clean.ts';
import { demoPlaces, makePlaces, type DemoPlaces } from './places.ts';
import { startSource, type DemoSource } from './source.ts';
import { tellStory, type StoryTimes, type Tell } from './story.ts';
import { CONFIG_FILE, ENVIRONMENT, FEATURE_BRANCH, makeWorkspace, memberLines } from './workspace.ts';

type Times = StoryTimes & BranchTimes;

const checkout = join(import.meta.dirname, '..', '..');
const dist = join(checkout, 'dist');
const commandLine = join(dist, 'thin-clones.mjs');

// The standard output is for the JSON document alone.
const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  say(`${green('✓')} ${title.padEnd(46)} ${dim(formatMs(performance.now() - started))}`);
  return result;
}

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    options: {
      headless: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      clean: { type: 'boolean', default: false },
    },
  });
  const places = demoPlaces();
  if (values.clean) {
    await step('everything of the demo removed', async () => await removeDemo(places));
    return;
  }
  say(bold('Thin Clones: a demo on this machine'));
  say(dim(`Everything is kept in ${places.root}; npm start -- --clean removes it.`));
  try {
    await prepare(places, signal);
    const { source, times, bytes } = await run(places, signal);
    if (values.json) process.stdout.write(`${JSON.stringify(documentOf(times, bytes))}\n`);
    if (values.headless) return;
    await show(places, source, signal);
  } finally {
    await stopDemo(places);
    if (!signal.aborted) say(dim('The demo is stopped; its data is kept for the next npm start.'));
  }
}

async function prepare(places: DemoPlaces, signal: AbortSignal): Promise<void> {
  if (process.platform === 'linux') {
    await step('system packages', async () => {
      const needed = ['git', 'procps', 'btrfs-progs', 'python3-pip'];
      const { missing } = await ensureSystemPackages(needed, {
        signal,
        onProgress: (text) => say(dim(`  ${text}`)),
      });
      // Git is needed; the others have a way around: another storage, programs of the machine.
      if (missing.length > 0) say(dim(`  ${describeMissing(missing)}`));
    });
  }
  await step('PostgreSQL programs', async () => {
    const platform = platformOf(process);
    if (platform === undefined) return;
    try {
      await fetchPrograms({
        platform,
        majors: [BUNDLED_MAJOR],
        into: developmentFolder(platform),
        signal,
        onProgress: (text) => {
          if (!text.endsWith(' is there')) say(dim(`  ${text}`));
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      // The machine's own programs may do; findDemoPrograms decides, and names the package that is missing.
      say(dim(`  ${error instanceof Error ? error.message : String(error)}`));
    }
  });
  if (isBuilt()) say(`${green('✓')} build`);
  else await step('build', async () => await runNode([join(checkout, 'esbuild.mjs')], { signal }));
  await makePlaces(places);
}

async function run(
  places: DemoPlaces,
  signal: AbortSignal,
): Promise<{ source: DemoSource; times: Times; bytes: number }> {
  const machine = await testHost();
  const paths = homePaths({
    platform: process.platform,
    uid: process.getuid?.(),
    variables: { THIN_CLONES_HOME: places.home },
  });
  const found = await findPrograms({
    machine,
    settings: {},
    programsDirectory: paths.programs,
    engineDirectory: dist,
    variables: process.env,
  })(BUNDLED_MAJOR);
  const programs = present(found.server);
  const source = await step(
    'demo source',
    async () =>
      await startSource({ places, machine, programs, say: (text) => say(dim(`  ${text}`)), signal }),
  );
  const bytes = await source.bytes();
  await makeWorkspace({
    folder: places.workspace,
    member: memberLines({ ...source, logical: found.client.ok }),
    signal,
  });
  say(
    dim(`  PostgreSQL ${programs.version}, database of ${formatBytes(bytes)}, workspace ${places.workspace}`),
  );

  const cli = async (...args: readonly string[]): Promise<string> =>
    await runNode([commandLine, ...args, '--json'], {
      signal,
      cwd: places.workspace,
      env: { THIN_CLONES_HOME: places.home },
    });
  if (!found.client.ok) await source.stop();
  await step(`environment ${ENVIRONMENT} declared`, async () => await cli('env', 'apply', '-f', CONFIG_FILE));
  const environment = JSON.parse(await cli('env', 'show', ENVIRONMENT)) as { latestSnapshot: string | null };
  if (environment.latestSnapshot === null || source.isNew) {
    await step(
      'refreshed: data retrieved, snapshot made',
      async () => await cli('env', 'refresh', ENVIRONMENT),
    );
  } else {
    say(`${green('✓')} snapshot of an earlier start`);
  }

  const connection = await connectEngine({
    paths,
    user: 'demo',
    program: locateEngineProgram({
      moduleUrl: new URL(`file://${commandLine}`).href,
      execPath: process.execPath,
      canRunEngine: thisNodeCanRunEngine,
      variables: process.env,
      platform: process.platform,
    }),
    signal,
  });
  try {
    say('');
    const { client } = connection;
    const tell: Tell = (event, detail, ms) =>
      say(`  ${cyan(event.padEnd(8))} ${(ms === undefined ? '' : formatMs(ms)).padStart(8)}  ${detail}`);
    const { postgres, major } = programs;
    const story = await tellStory({ client, machine, postgres, major, tell, signal });
    const { workspace, branches: folder } = places;
    const times = { ...story, ...(await tellBranches({ client, workspace, folder, tell, signal })) };
    printTimes(times, bytes);
    return { source, times, bytes };
  } finally {
    connection.close();
  }
}

async function show(places: DemoPlaces, source: DemoSource, signal: AbortSignal): Promise<void> {
  say('Opening VS Code ...');
  const opened = await openVSCode({
    folder: places.workspace,
    extension: { path: checkout },
    env: { THIN_CLONES_HOME: places.home },
    signal,
    onProgress: (text) => say(dim(`  ${text}`)),
  });
  say(dim(`Source: ${source.url} (password in ${places.password})`));
  if (opened.kind === 'desktop') {
    say(dim(branchHint));
    say(`${bold('VS Code is open')}; open Thin Clones in its activity bar. Ctrl-C here stops the demo.`);
    await new Promise<void>((resolve) => {
      // A timer keeps this process alive, the signal ends it.
      const alive = setInterval(() => undefined, 2 ** 30);
      signal.addEventListener(
        'abort',
        () => {
          clearInterval(alive);
          resolve();
        },
        { once: true },
      );
    });
    return;
  }
  say(`\n${bold(opened.versionLabel)} is running; open Thin Clones in its activity bar.`);
  say(`  ${bold(opened.url)}`);
  say(`  password: ${bold(opened.password)}`);
  say(dim(branchHint));
  say(dim('Ctrl-C stops the demo.'));
  await opened.closed;
}

const branchHint = `In its terminal, git switch ${FEATURE_BRANCH} switches the database too: $DATABASE_URL stays the same.`;

function printTimes(times: Times, bytes: number): void {
  const floor = rawWords[times.rawKind];
  const rows: [string, number][] = [
    ['create a clone', times.createMs],
    ['reset it', times.resetMs],
    ['destroy it', times.destroyMs],
    ['switch to a branch that has a clone', times.switchMs],
    ['switch to a new branch', times.newBranchMs],
    [`floor: ${floor} and server start, by hand`, times.floorMs],
    ['full copy and server start, by hand', times.fullCopyMs],
  ];
  say(`\n${bold(`${times.storage}, database of ${formatBytes(bytes)}, medians of ${times.rounds}`)}`);
  say(
    formatTable(
      rows.map(([name, ms]) => [`  ${name}`, formatMs(ms)]),
      1,
    ),
  );
  if (!times.thin) {
    say(
      `${red('Full copies:')} nothing on this machine makes thin clones for this user. npx thin-clones host doctor tells what would.`,
    );
  }
  say('');
}

const rawWords = {
  snapshot: 'btrfs snapshot',
  reflink: 'reflink copy',
  copy: 'copy',
} as const;

function documentOf(times: Times, databaseBytes: number): Record<string, unknown> {
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  return {
    storage: times.storage,
    thin: times.thin,
    databaseBytes,
    createMs: round(times.createMs),
    resetMs: round(times.resetMs),
    destroyMs: round(times.destroyMs),
    floorMs: round(times.floorMs),
    fullCopyMs: round(times.fullCopyMs),
    switchMs: round(times.switchMs),
    newBranchMs: round(times.newBranchMs),
  };
}

function present<Programs extends ServerPrograms | ClientPrograms>(found: Located<Programs>): Programs {
  if (found.ok) return found.programs;
  throw new Error(`${found.missing.what} was not found. ${found.missing.install}`);
}

/** True when the bundles are newer than everything that they are made of. */
function isBuilt(): boolean {
  const stamp = join(dist, 'build.json');
  if (!existsSync(stamp)) return false;
  const built = statSync(stamp).mtimeMs;
  const files = ['engine', 'src', 'webview-ui'].flatMap((folder) =>
    readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(folder, name),
    ),
  );
  return ['package.json', 'package-lock.json', 'esbuild.mjs', ...files].every(
    (file) => statSync(join(checkout, file)).mtimeMs < built,
  );
}

interface NodeOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** What it wrote to its standard output. Its progress and its messages go to our stderr. */
async function runNode(
  args: readonly string[],
  { cwd = checkout, env, signal }: NodeOptions,
): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
      signal,
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else
        reject(
          new Error(
            `${args.slice(0, 3).join(' ')} ended with exit code ${code ?? 'none'}:\n${output.trim()}`,
          ),
        );
    });
  });
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (!stop.signal.aborted) say(`\nStopping (${name}) ...`);
    stop.abort();
  });
}
try {
  await main(stop.signal);
} catch (error) {
  if (!stop.signal.aborted) {
    say(`${red('The demo failed:')} ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
