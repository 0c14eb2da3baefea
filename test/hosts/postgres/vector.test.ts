import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pinnedVector, platformOf } from '../../../engine/database/postgres/programs/fetch/pinned.ts';
import { developmentFolder, fetchPrograms } from '../../../engine/database/postgres/programs/fetch/fetch.ts';
import { unfitExtensions } from '../../../engine/database/postgres/programs/processor.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import {
  bundledHost,
  SOURCE_PASSWORD,
  startPostgresSource,
  testPrograms,
  type PostgresSource,
} from '../../support/postgresSource.ts';

const platform = platformOf(process);
const programs = testPrograms(undefined, bundledHost);
const DOCUMENTS = 400;

/** What applications have: embeddings of each kind, and both kinds of index over them. */
const shop = [
  'CREATE EXTENSION vector',
  'CREATE TABLE documents (id int PRIMARY KEY, embedding vector(3) NOT NULL, half halfvec(3), sparse sparsevec(5), bits bit(8))',
  `INSERT INTO documents SELECT i, ARRAY[i, i % 7, i % 3]::vector, ARRAY[i, 1, 0]::halfvec, '{1:1,3:2}/5', i::bit(8)
     FROM generate_series(1, ${DOCUMENTS}) i`,
  'CREATE INDEX near ON documents USING hnsw (embedding vector_l2_ops) WITH (m = 8, ef_construction = 32)',
  'CREATE INDEX like_it ON documents USING ivfflat (embedding vector_cosine_ops) WITH (lists = 4)',
  'CREATE INDEX half_near ON documents USING hnsw (half halfvec_ip_ops)',
  'CREATE INDEX sparse_near ON documents USING hnsw (sparse sparsevec_l2_ops)',
  'CREATE INDEX bits_near ON documents USING hnsw (bits bit_hamming_ops)',
  'CREATE INDEX normal ON documents USING hnsw ((embedding::halfvec(3)) halfvec_l2_ops) WHERE id > 10',
  "CREATE FUNCTION nearest(q vector) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM documents ORDER BY embedding <-> q LIMIT 2'",
  'CREATE MATERIALIZED VIEW centre AS SELECT avg(embedding) AS middle FROM documents',
];
const INDEXES = ['bits_near', 'half_near', 'like_it', 'near', 'normal', 'sparse_near'];

for (const major of [16, 18])
  describe(`a source of PostgreSQL ${major} with pgvector`, function () {
    // Where nothing was fetched yet, its packages are.
    this.timeout(180_000);
    let bench: PostgresBench;
    let source: PostgresSource;
    /** What was opened: nothing is where this machine can't have it. */
    const closing: (() => Promise<void>)[] = [];
    const dumpOf = (format: string): string => path.join(bench.root, `shop.${format}`);
    before(async function () {
      if (platform === undefined || pinnedVector({ platform, major }) === undefined) return this.skip();
      await fetchPrograms({ platform, majors: [major], into: developmentFolder(platform) });
      const { server, client } = await programs(major);
      assert.ok(server.ok && client.ok);
      bench = await openPostgresBench(programs);
      closing.push(() => bench.close());
      // The wheels were compiled for newer processors than this one.
      if ((await unfitExtensions(bench.machine, server.programs)).size > 0) return this.skip();
      source = await startPostgresSource({ major, bundledOnly: true });
      closing.unshift(
        () => source.remove(),
        () => bench.checkNothingLeft(),
      );
      await source.run('postgres', 'CREATE DATABASE shop');
      await source.run('shop', ...shop);
      for (const format of ['custom', 'plain'])
        await bench.machine.run({
          program: client.programs.pg_dump,
          args: [`--format=${format}`, `--file=${dumpOf(format)}`],
          env: {
            PGHOST: '127.0.0.1',
            PGPORT: String(source.port),
            PGUSER: 'owner',
            PGPASSWORD: SOURCE_PASSWORD,
            PGDATABASE: 'shop',
          },
          parse: (result) => assert.equal(result.code, 0, result.stderr),
        });
    });
    after(async () => {
      for (const close of closing) await close();
    });

    const logical = () => ({ retrieval: 'logical' as const, url: source.url('shop') });

    const dump = (format: string) => () => ({ retrieval: 'dump' as const, dump: dumpOf(format) });
    const fromServer = ['server', logical] as const;
    // What differs between versions is the module alone.
    const kinds =
      major === 18
        ? [fromServer, ['custom dump', dump('custom')] as const, ['plain dump', dump('plain')] as const]
        : [fromServer];
    for (const [title, definition] of kinds)
      it(`comes whole from a ${title}: columns, indexes of both kinds and what uses them`, async () => {
        const retrieved = await bench.retrieve(
          { ...definition(), ...(title === 'plain dump' ? { database: 'shop' } : {}) },
          title === 'server' ? { password: SOURCE_PASSWORD } : {},
        );
        assert.deepEqual(
          bench.lines.filter((line) => line.startsWith('warning')),
          [],
        );
        assert.deepEqual(retrieved.comparison?.differences ?? [], []);
        const clone = await bench.start(retrieved.target, retrieved.version);
        const rows = async (text: string): Promise<unknown[]> =>
          (await clone.query<Record<string, unknown>>('shop', text)).map((row) => Object.values(row)[0]);
        assert.deepEqual(
          await rows(
            `SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = c.relam
              WHERE a.amname IN ('hnsw', 'ivfflat') AND i.indisvalid ORDER BY 1`,
          ),
          INDEXES,
        );
        assert.deepEqual(await rows("SELECT nearest('[100.3,2,1]')"), [100, 101]);
        assert.deepEqual(await rows('SELECT count(*)::int FROM documents'), [DOCUMENTS]);
        assert.deepEqual(await rows('SELECT vector_dims(middle) FROM centre'), [3]);
        const client = await clone.connect('shop');
        await client.query('SET enable_seqscan = off');
        const plan = await client.query<{ 'QUERY PLAN': string }>(
          "EXPLAIN SELECT id FROM documents ORDER BY embedding <-> '[1,2,3]' LIMIT 1",
        );
        await client.end();
        assert.match(plan.rows.map((row) => row['QUERY PLAN']).join('\n'), /Index Scan using near/);
        await clone.stop();
      });

    if (major === 16)
      it('is told to be in a newer PostgreSQL where that of the source lacks it, before anything is copied', async () => {
        assert.ok(platform !== undefined);
        await fetchPrograms({ platform, majors: [15], into: developmentFolder(platform) });
        const older = path.join(bench.root, 'older.sql');
        await writeFile(
          older,
          '--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.4\n-- Dumped by pg_dump version 15.4\n\n' +
            'CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;\n\n--\n-- PostgreSQL database dump complete\n--\n',
        );
        const definition = { retrieval: 'dump' as const, dump: older, database: 'shop' };
        await assert.rejects(
          bench.retrieve(definition),
          (error) =>
            isFailure(error, 'restore_failed') &&
            /the PostgreSQL 15\S* here does not have\. Install it, let the copies be of PostgreSQL 16, which has it here \(version: 16\), or leave it out/.test(
              error.message,
            ),
        );
        assert.equal((await bench.retrieve({ ...definition, version: 16 })).version, '16');
      });

    if (major !== 18) return;

    it('is told before the copy when its version is newer than that here', async () => {
      await source.run('shop', "UPDATE pg_extension SET extversion = '9.10.0' WHERE extname = 'vector'");
      try {
        await bench.retrieve(logical(), { password: SOURCE_PASSWORD });
      } finally {
        await source.run('shop', "UPDATE pg_extension SET extversion = '0.8.5' WHERE extname = 'vector'");
      }
      const told = bench.lines.findIndex((line) =>
        /^warning: The source has version 9\.10\.0 of the extension vector, .* here 0\.8\.5/.test(line),
      );
      const begun = bench.lines.findIndex((line) => /Dumping/.test(line));
      assert.ok(told !== -1 && told < begun, bench.lines.join('\n'));
    });

    for (const [title, definition] of [fromServer, ['plain dump', dump('plain')]] as const)
      it(`is refused before the copy from a ${title} on a processor that cannot run it`, async () => {
        const old = await openPostgresBench(async (wanted) => {
          const found = await programs(wanted);
          assert.ok(found.server.ok);
          const extensions = found.server.programs.extensions?.map((each) => ({
            ...each,
            processor: [...each.processor, 'avx9'],
          }));
          return { ...found, server: { ok: true, programs: { ...found.server.programs, extensions } } };
        });
        await assert.rejects(
          old.retrieve(definition(), title === 'server' ? { password: SOURCE_PASSWORD } : {}),
          (error) =>
            isFailure(error, 'restore_failed') &&
            /extension vector, .* \(the vector that travels along needs a processor with avx9\)/.test(
              error.message,
            ),
        );
        assert.ok(!old.lines.some((line) => /Dumping|Restoring|Running/.test(line)), old.lines.join('\n'));
        await old.close();
      });
  });
