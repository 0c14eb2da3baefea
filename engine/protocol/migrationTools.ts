/** The tools whose migrations are found, and what people call them. */

export const migrationToolTitles = {
  prisma: 'Prisma',
  knex: 'Knex',
  typeorm: 'TypeORM',
  sequelize: 'Sequelize',
  drizzle: 'Drizzle',
  flyway: 'Flyway',
  liquibase: 'Liquibase',
  rails: 'Rails',
  django: 'Django',
  alembic: 'Alembic',
  'golang-migrate': 'golang-migrate',
  'node-pg-migrate': 'node-pg-migrate',
  goose: 'goose',
  sqlx: 'SQLx',
  ecto: 'Ecto',
  'ef-core': 'EF Core',
  'mikro-orm': 'MikroORM',
  atlas: 'Atlas',
  sql: 'plain SQL',
} as const;
export type MigrationTool = keyof typeof migrationToolTitles;
export const migrationTools = Object.keys(migrationToolTitles) as [MigrationTool, ...MigrationTool[]];
