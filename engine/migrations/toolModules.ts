/** All tools that are known, and tables of others that can only be named. */
import type { MigrationTool } from '../protocol/migrationTools.ts';
import type { ToolModule } from './layout.ts';
import { alembic } from './tools/alembic.ts';
import { atlas } from './tools/atlas.ts';
import { django } from './tools/django.ts';
import { drizzle } from './tools/drizzle.ts';
import { ecto } from './tools/ecto.ts';
import { efCore } from './tools/efCore.ts';
import { flyway } from './tools/flyway.ts';
import { golangMigrate } from './tools/golangMigrate.ts';
import { goose } from './tools/goose.ts';
import { knex } from './tools/knex.ts';
import { liquibase } from './tools/liquibase.ts';
import { mikroOrm } from './tools/mikroOrm.ts';
import { nodePgMigrate } from './tools/nodePgMigrate.ts';
import { plainSql } from './tools/plainSql.ts';
import { prisma } from './tools/prisma.ts';
import { rails } from './tools/rails.ts';
import { sequelize } from './tools/sequelize.ts';
import { sqlx } from './tools/sqlx.ts';
import { typeorm } from './tools/typeorm.ts';

export const toolModules: Readonly<Record<MigrationTool, ToolModule>> = {
  prisma,
  knex,
  typeorm,
  sequelize,
  drizzle,
  flyway,
  liquibase,
  rails,
  django,
  alembic,
  'golang-migrate': golangMigrate,
  'node-pg-migrate': nodePgMigrate,
  goose,
  sqlx,
  ecto,
  'ef-core': efCore,
  'mikro-orm': mikroOrm,
  atlas,
  sql: plainSql,
};

/** Tables of tools that have no module. */
export const otherToolsTables: Readonly<Record<string, string>> = {
  __diesel_schema_migrations: 'Diesel',
  phinxlog: 'Phinx',
  doctrine_migration_versions: 'Doctrine',
  kysely_migration: 'Kysely',
  refinery_schema_history: 'Refinery',
  gorp_migrations: 'sql-migrate',
  seaql_migrations: 'SeaORM',
  bun_migrations: 'Bun',
};
