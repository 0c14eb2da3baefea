/** Whether the databases of a clone match the migrations of a checkout. */
import type { Statement } from '../../database/database.ts';
import { compareMigrations } from '../../migrations/compareMigrations.ts';
import type { Clone } from '../../protocol/entities.ts';
import type { MigrationReport, MigrationSettings } from '../../protocol/migrationReport.ts';
import { databaseOf, type ServiceContext } from '../context.ts';
import type { MemberReads } from '../clones/memberReads.ts';

export type MigrationsContext = Pick<ServiceContext, 'databases' | 'openCheckout'>;

export interface MigrationsRequest {
  clone: Pick<Clone, 'id' | 'name' | 'environment' | 'state' | 'members'>;
  /** The top folder of the checkout. */
  tree: string;
  /** `workspace.migrations` of its thin-clones.yaml. */
  settings?: MigrationSettings | readonly MigrationSettings[] | undefined;
}

export interface Migrations {
  /**
   * One report for each tool and member that were found, or one that says why nothing can be told. Changes nothing. `reads`: of the
   * host that has the clone.
   */
  report(reads: MemberReads, request: MigrationsRequest, signal?: AbortSignal): Promise<MigrationReport[]>;
}

export function createMigrations(context: MigrationsContext): Migrations {
  return {
    async report(reads, { clone, tree, settings }, signal) {
      signal?.throwIfAborted();
      const list = settings === undefined ? undefined : Array.isArray(settings) ? settings : [settings];
      const members = clone.members.flatMap((member) => {
        const { catalogue } = databaseOf(context, member.engine);
        return catalogue === undefined ? [] : [{ member, catalogue }];
      });
      return await compareMigrations({
        files: context.openCheckout(tree),
        databases: await Promise.all(
          members.map(async ({ member, catalogue }) => ({
            member: member.name,
            problem: await reads.problem(clone, member),
            catalogue,
            read: (statements: readonly Statement[]) => reads.read(clone, member.name, statements, signal),
          })),
        ),
        settings: list,
      });
    },
  };
}
