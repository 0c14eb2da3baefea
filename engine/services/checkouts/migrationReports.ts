/** Whether the databases of a clone match the migrations of a checkout. */
import { isDurable } from '../../domain/durability.ts';
import type { Catalogue } from '../../database/database.ts';
import type { MemberDatabase } from '../../migrations/appliedTables.ts';
import { compareMigrations } from '../../migrations/compareMigrations.ts';
import type { Clone, CloneMember } from '../../protocol/entities.ts';
import type { MigrationReport, MigrationSettings } from '../../protocol/migrationReport.ts';
import { databaseOf, type ServiceContext } from '../context.ts';
import type { Servers } from '../clones/servers.ts';

export type MigrationsContext = Pick<ServiceContext, 'catalog' | 'databases' | 'openCheckout'>;

export interface MigrationsRequest {
  clone: Pick<Clone, 'name' | 'environment' | 'state' | 'members'>;
  /** The top folder of the checkout. */
  tree: string;
  /** `workspace.migrations` of its thin-clones.yaml. */
  settings?: MigrationSettings | readonly MigrationSettings[] | undefined;
}

export interface Migrations {
  /** One report for each tool and member that were found, or one that says why nothing can be told. Changes nothing. */
  report(request: MigrationsRequest, signal?: AbortSignal): Promise<MigrationReport[]>;
}

export function createMigrations(
  context: MigrationsContext,
  servers: Pick<Servers, 'spec' | 'running'>,
): Migrations {
  const databaseFor = async (
    clone: MigrationsRequest['clone'],
    member: CloneMember,
    catalogue: Catalogue,
    signal: AbortSignal | undefined,
  ): Promise<MemberDatabase> => {
    const durable = isDurable(context.catalog.environment(clone.environment).definition);
    return {
      member: member.name,
      problem: await problemOf(clone, member),
      catalogue,
      async read(statements) {
        const spec = await servers.spec(member, { title: clone.name, durable });
        return await databaseOf(context, member.engine).read(spec, member.database, statements, signal);
      },
    };
  };
  const problemOf = async (
    clone: MigrationsRequest['clone'],
    member: CloneMember,
  ): Promise<string | null> => {
    if (clone.state !== 'ready') return `the clone ${clone.name} is ${clone.state}`;
    const isUp = member.state === 'ready' && (await servers.running(member));
    return isUp ? null : `${member.name} of the clone ${clone.name} does not run`;
  };

  return {
    async report({ clone, tree, settings }, signal) {
      signal?.throwIfAborted();
      const list = settings === undefined ? undefined : Array.isArray(settings) ? settings : [settings];
      const members = clone.members.flatMap((member) => {
        const { catalogue } = databaseOf(context, member.engine);
        return catalogue === undefined ? [] : [{ member, catalogue }];
      });
      return await compareMigrations({
        files: context.openCheckout(tree),
        databases: await Promise.all(
          members.map(({ member, catalogue }) => databaseFor(clone, member, catalogue, signal)),
        ),
        settings: list,
      });
    },
  };
}
