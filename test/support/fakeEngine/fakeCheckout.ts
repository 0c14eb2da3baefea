/** A checkout for tests against a fake engine, and what it says about migrations. */
import {
  checkoutSchema,
  endpointSchema,
  proposalSchema,
  type Checkout,
  type Endpoint,
  type Proposal,
} from '../../../engine/protocol/entities.ts';
import { migrationReportSchema, type MigrationReport } from '../../../engine/protocol/migrationReport.ts';

export const checkoutId = 'checkout-eeeeeeeeeeeeeeee';

/** The stable port of the one member. */
export const fakeEndpoint = (port: number): Endpoint =>
  endpointSchema.parse({
    member: 'orders',
    engine: 'postgres',
    host: '127.0.0.1',
    port,
    user: 'clone',
    database: 'shop',
    state: 'listening',
  });

/** On `feature/a`, with one stable port, and nothing that it leads to. */
export const fakeCheckout = (changes: object = {}): Checkout =>
  checkoutSchema.parse({
    id: checkoutId,
    path: '/src/shop',
    repository: '/src/shop/.git',
    kind: 'main',
    environment: 'shop',
    follow: 'ask',
    head: { kind: 'branch', branch: 'feature/a', commit: 'a'.repeat(40), operation: null },
    state: 'none',
    key: 'feature/a',
    clone: null,
    job: null,
    reason: null,
    next: null,
    question: null,
    endpoints: [fakeEndpoint(55_432)],
    variables: { DATABASE_URL: '{orders.url}', PGPORT: '{orders.port}' },
    envFile: null,
    problem: null,
    createdBy: 'anna',
    switchedAt: null,
    switchMs: null,
    ...changes,
  });

export const fakeReport = (changes: object = {}): MigrationReport => {
  const lists = { pending: [], missing: [], edited: [], failed: [], outOfOrder: [], ...changes };
  return migrationReportSchema.parse({
    member: 'orders',
    tool: 'prisma',
    directory: 'prisma/migrations',
    table: 'public._prisma_migrations',
    state: 'in-step',
    counts: {
      files: 3,
      applied: 3,
      pending: lists.pending.length,
      missing: lists.missing.length,
      edited: lists.edited.length,
      failed: lists.failed.length,
    },
    message: 'Prisma: the database matches this checkout.',
    problem: null,
    ...lists,
  });
};

export const fakeProposal = (changes: object = {}): Proposal =>
  proposalSchema.parse({
    clone: 'clone-bbbbbbbbbbbbbbbb',
    name: 'feature/a',
    environment: 'shop',
    repository: '/src/shop/.git',
    branch: 'feature/a',
    reason: 'merged',
    since: '2026-11-18T10:00:00.000Z',
    createdAt: '2026-11-09T10:00:00.000Z',
    createdBy: 'anna',
    isProtected: false,
    bytes: { unshared: 12_000_000, logical: 842_000_000 },
    destroyAt: null,
    ...changes,
  });
