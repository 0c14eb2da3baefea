/** Tries a source without changing it, and tells what is there or what exactly is in the way. */
import type { Machine } from '../../machine/machine.ts';
import type { MemberDefinition, SourceReport } from '../../protocol/entities.ts';
import { MEMBER_BEING_TESTED, reportOf, type Findings } from '../sourceReport.ts';
import { fail } from '../../protocol/errors.ts';
import { readCollections } from './collections.ts';
import { serverFor, type FindServers } from './programs.ts';
import { listDatabases } from './prepare.ts';
import { inspectDirectory } from './retrieval/directory.ts';
import { databasesOf } from './retrieval/logical.ts';
import { select } from './retrieval/selection.ts';
import { inSource } from './sourceConnection.ts';

export interface SourceTestOptions {
  machine: Machine;
  servers: FindServers;
  definition: MemberDefinition;
  password: string | undefined;
  signal: AbortSignal | undefined;
}

/** Large catalogues are cut: the largest say what there is. */
const MOST_COLLECTIONS = 500;

export const testSource = (options: SourceTestOptions): Promise<SourceReport> =>
  reportOf((findings) => examine(options, findings), options.signal);

async function examine(options: SourceTestOptions, findings: Findings): Promise<void> {
  const { definition, machine, servers } = options;
  switch (definition.retrieval) {
    case 'logical':
      await examineServer(options, findings);
      await serverFor(servers, undefined, 'which its copies need');
      return;
    case 'directory': {
      const { flavour, clean } = await inspectDirectory(machine, definition.directory ?? '');
      findings.serverVersion = flavour.title;
      if (!clean) findings.warnings.push('Its server was not stopped cleanly: the copy will be recovered.');
      return;
    }
    case 'dump':
    case 'physical':
      throw fail('not_supported', { feature: `The retrieval "${definition.retrieval}" of MongoDB` });
  }
}

async function examineServer(
  { definition, password, signal }: SourceTestOptions,
  findings: Findings,
): Promise<void> {
  await inSource({ definition, password, member: MEMBER_BEING_TESTED, signal }, async (client, source) => {
    const { version } = await client.db('admin').command({ buildInfo: 1 });
    findings.serverVersion = String(version);
    findings.databases = [...(await listDatabases(client))];
    const names = await databasesOf(client, source, definition.database);
    const chosen = select(await readCollections(client, names, signal), definition);
    if (chosen.length === 0) findings.warnings.push('There are no collections to copy.');
    findings.tables = chosen.slice(0, MOST_COLLECTIONS).map(({ database, name, documents }) => ({
      ...{ schema: database, name, bytes: 0, rows: documents },
    }));
  });
}
