/**
 * `npm run bench`: times what users wait for on the production build, beside the floor and the goals. Never fails for a
 * time that is missed.
 * Usage: npm run bench -- [--json] [--only PREFIX[,PREFIX]] [--quick], or npm run bench -- --trace
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { developmentFolder, fetchPrograms } from '../../engine/database/postgres/programs/fetch/fetch.ts';
import { findPrograms } from '../../engine/database/postgres/programs/local/find.ts';
import { BUNDLED_MAJOR, platformOf } from '../../engine/database/postgres/programs/fetch/pinned.ts';
import { dim, formatMs } from '../support/commands/terminal.ts';
import { testHost } from '../support/postgresSource.ts';
import { benchBranches } from './branches.ts';
import { benchClones, type BenchContext } from './clones.ts';
import { benchCommandLine } from './commandLine.ts';
import { benchEngine } from './engine.ts';
import { benchHosts } from './hosts.ts';
import { benchIdle } from './idle.ts';
import { benchRefresh } from './refresh.ts';
import { benchExtension, weighBundles } from './extension.ts';
import { buildProduction } from './production.ts';
import { benchTls } from './tls.ts';
import { traceClones } from './trace.ts';
import { describeMachine, tableOf, type Document, type Result } from './results.ts';

// The standard output is for the document alone.
const note = (text: string): void => void process.stderr.write(`${dim(text)}\n`);

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
    },
  });
  const prefixes = values.only?.split(',').map((prefix) => prefix.trim());
  const started = performance.now();

  const platform = platformOf(process);
  if (platform !== undefined) {
    await fetchPrograms({ platform, majors: [BUNDLED_MAJOR], into: developmentFolder(platform), signal });
  }
  const production = await buildProduction();
  try {
    const machine = await testHost();
    // As the engine finds them: where servers run as another user, in a place that this user can reach.
    const { server: found } = await findPrograms({
      machine,
      settings: {},
      programsDirectory: join(production.folder, 'programs'),
      engineDirectory: join(production.folder, 'dist'),
      variables: process.env,
    })(BUNDLED_MAJOR);
    if (!found.ok) throw new Error(`${found.missing.what} was not found. ${found.missing.install}`);
    const context: BenchContext = {
      machine,
      programs: found.programs,
      production,
      wants: (name) => prefixes === undefined || prefixes.some((prefix) => name.startsWith(prefix)),
      quick: values.quick,
      say: note,
      signal,
    };
    if (values.trace) {
      console.log(await traceClones(context));
      return;
    }
    const results: Result[] = [];
    for (const part of [
      weighBundles,
      benchClones,
      benchBranches,
      benchTls,
      benchHosts,
      benchIdle,
      benchRefresh,
      benchCommandLine,
      benchEngine,
      benchExtension,
    ]) {
      results.push(...(await part(context)));
    }
    if (results.length === 0) throw new Error(`No result is named ${values.only ?? ''}...`);
    const document: Document = { machine: describeMachine(found.programs.version), results };
    if (values.json) process.stdout.write(`${JSON.stringify(document)}\n`);
    else console.log(tableOf(results));
    note(`${results.length} results in ${formatMs(performance.now() - started)}`);
  } finally {
    await production.remove();
  }
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => stop.abort(new Error(`Stopped by ${name}.`)));
}
try {
  await main(stop.signal);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof Error && !stop.signal.aborted && error.stack !== undefined) note(error.stack);
  process.exitCode = 1;
}
