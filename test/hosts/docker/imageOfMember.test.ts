import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clone, ErrorDocument, PinnedImage, Snapshot } from '../../../engine/protocol/entities.ts';
import { makeUsableEngine, parsed, thinClones, type Finished } from '../../cli/realCommand.ts';
import { noDocker, startDocker, type TestDocker } from '../../support/docker/engine.ts';
import { makeOtherImage, makePostgresImage } from '../../support/docker/images.ts';
import type { TestEngine } from '../../support/engine.ts';
import { queryAt } from '../../support/session.ts';
import { skipSuite } from '../../support/skips.ts';

const IMAGE = 'clones-test/shop:16';
/** Of which no server has the extension but that of the image. */
const DUMP = `--
-- PostgreSQL database dump
--

-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET client_encoding = 'UTF8';

CREATE EXTENSION IF NOT EXISTS parcels WITH SCHEMA public;

CREATE TABLE public.orders (id integer NOT NULL, note text);

COPY public.orders (id, note) FROM stdin;
1\tone
2\ttwo
\\.

--
-- PostgreSQL database dump complete
--
`;

describe('a member with an image, through the command line', function () {
  this.timeout(300_000);
  const undo = new AsyncDisposableStack();
  let docker: TestDocker;
  let engine: TestEngine;
  before(async function () {
    const obstacle = await noDocker();
    if (obstacle !== undefined) skipSuite(this, obstacle);
    docker = await startDocker();
    undo.defer(() => docker.close());
    await makePostgresImage(docker.client, { name: IMAGE, major: 16, extension: 'parcels' });
    engine = await makeUsableEngine(this, {
      THIN_CLONES_STORAGE_DRIVER: 'copy',
      DOCKER_HOST: docker.host,
    });
    undo.defer(() => engine.dispose());
    await writeFile(join(engine.home, 'shop.sql'), DUMP, { mode: 0o644 });
  });
  after(() => undo.disposeAsync());

  const apply = async (image: string, ...more: readonly string[]): Promise<Finished> => {
    const file = join(engine.home, 'thin-clones.yaml');
    const member = { engine: 'postgres', retrieval: 'dump', dump: join(engine.home, 'shop.sql'), image };
    const document = { version: 1, environments: { shop: { members: { orders: member } } } };
    await writeFile(file, JSON.stringify(document));
    return await thinClones(engine, 'env', 'apply', '-f', file, '--json', ...more);
  };
  const refusal = (ended: Finished): ErrorDocument => parsed<{ error: ErrorDocument }>(ended).error;
  const done = (ended: Finished): Finished => {
    assert.equal(ended.code, 0, `${ended.stdout}${ended.stderr}`);
    return ended;
  };
  const containers = async (): Promise<readonly string[]> =>
    (await docker.client.listContainers({ all: true })).map(({ Id }) => Id);
  const urlOf = async (clone: string): Promise<string> =>
    (await thinClones(engine, 'clone', 'url', clone)).stdout.trim();
  const ask = async (clone: string, text: string): Promise<unknown> =>
    (await queryAt(await urlOf(clone), text)).flatMap((row) => Object.values(row));
  const snapshots = async (): Promise<readonly Snapshot[]> => {
    const listed = await thinClones(engine, 'snapshot', 'list', 'shop', '--json');
    return parsed<{ items: Snapshot[] }>(done(listed)).items;
  };
  let pinned: PinnedImage | undefined;

  it('runs nothing that a file names before somebody agreed', async () => {
    const ended = await apply(IMAGE);
    assert.equal(ended.code, 3);
    assert.equal(refusal(ended).code, 'image_consent');
    assert.match(refusal(ended).message, /clones-test\/shop:16/);
    assert.equal(refusal(await thinClones(engine, 'env', 'show', 'shop', '--json')).code, 'not_found');
    assert.deepEqual(await containers(), []);
  });

  it('retrieves in the image, with an extension that only it has, and pins it', async () => {
    done(await apply(IMAGE, '--yes'));
    // Agreed to once.
    done(await apply(IMAGE));
    done(await thinClones(engine, 'env', 'refresh', 'shop', '--json'));
    const [snapshot] = await snapshots();
    pinned = snapshot?.members[0]?.image;
    assert.deepEqual(pinned, {
      ...{ name: IMAGE, digest: null },
      id: (await docker.client.getImage(IMAGE).inspect()).Id,
    });
    assert.deepEqual(await containers(), []);
  });

  it('runs a clone in the image that made its data, whatever its name means by now', async () => {
    await makeOtherImage(docker.client, IMAGE);
    const clone = parsed<Clone>(
      done(await thinClones(engine, 'clone', 'create', 'shop', '--name', 'one', '--json')),
    );
    assert.deepEqual(clone.members[0]?.image, pinned);
    const [container = ''] = await containers();
    assert.equal((await docker.client.getContainer(container).inspect()).Image, pinned?.id);
    assert.deepEqual(await ask('one', 'SELECT parcels()'), ['of the image']);
    assert.deepEqual(await ask('one', 'SELECT id FROM orders ORDER BY id'), [1, 2]);
  });

  it('finds the clone again after the engine was killed, with its container', async () => {
    const before = await containers();
    await engine.kill();
    assert.deepEqual(await ask('one', 'SELECT count(*)::int FROM orders'), [2]);
    const clone = parsed<Clone>(done(await thinClones(engine, 'clone', 'show', 'one', '--json')));
    assert.equal(clone.state, 'ready');
    assert.deepEqual(await containers(), before);
  });

  it('puts it back, snapshots it as it is, and leaves no container when it is destroyed', async () => {
    await ask('one', "INSERT INTO orders VALUES (3, 'three')");
    done(await thinClones(engine, 'clone', 'commit', 'one', '-m', 'with three', '--json'));
    done(await thinClones(engine, 'clone', 'reset', 'one', '--yes', '--json'));
    assert.deepEqual(await ask('one', 'SELECT max(id) FROM orders'), [2]);
    const kept = (await snapshots()).find(({ origin }) => origin === 'commit');
    assert.deepEqual(kept?.members[0]?.image, pinned);
    const from = ['--snapshot', kept?.id ?? ''];
    done(await thinClones(engine, 'clone', 'create', 'shop', '--name', 'two', ...from, '--json'));
    assert.deepEqual(await ask('two', 'SELECT max(id), parcels() FROM orders'), [3, 'of the image']);
    assert.equal((await containers()).length, 2);
    for (const name of ['one', 'two'])
      done(await thinClones(engine, 'clone', 'destroy', name, '--yes', '--json'));
    assert.deepEqual(await containers(), []);
  });

  it('refuses an image that is no server, and one that no registry gives, with the reason', async () => {
    await makeOtherImage(docker.client, 'clones-test/nothing:1');
    done(await apply('clones-test/nothing:1', '--yes', '--no-test'));
    const ended = await thinClones(engine, 'env', 'refresh', 'shop', '--json');
    assert.match(ended.stdout, /image_unusable/);
    assert.match(ended.stdout, /it has no postgres and initdb/);
    done(await apply('127.0.0.1:9/shop/postgres:16', '--yes'));
    const pulled = await thinClones(engine, 'env', 'refresh', 'shop', '--json');
    assert.match(pulled.stdout, /image_pull_failed/);
    assert.match(pulled.stdout, /127\.0\.0\.1:9.*refused/);
    assert.deepEqual(await containers(), []);
  });
});
