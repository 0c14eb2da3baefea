/** Whether the databases of a clone match the migration files of a working tree. */
import type { CloneId } from '../protocol/ids.ts';
import type { MigrationReport, MigrationSettings } from '../protocol/migrations.ts';
import type { ServiceContext } from './context.ts';
import type { Servers } from './servers.ts';

export interface Migrations {
  report(
    request: {
      /** Null: the checkout uses none now. */
      clone: CloneId | null;
      /** Top folder of the working tree. */
      tree: string;
      /** What thin-clones.yaml says; empty: found from the files. */
      settings: readonly MigrationSettings[];
    },
    signal?: AbortSignal,
  ): Promise<MigrationReport[]>;
}

export function createMigrations(_context: ServiceContext, _servers: Servers): Migrations {
  return { report: async () => [] };
}
