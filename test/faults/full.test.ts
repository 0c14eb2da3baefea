/** A disk that gets full: the job fails and says so, nothing of it is left, and what was there stays usable. */
import assert from 'node:assert/strict';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection, Job } from '../../engine/protocol/entities.ts';
import { skipSuite } from '../support/skips.ts';
import { fillDisk } from './fillDisk.ts';
import { environment, fillWorld, openWorld, origin, type World } from './world.ts';

describe('a full disk', function () {
  this.timeout(180_000);
  let world: World;
  let mine: Connection;
  const params = { clone: 'subject' };
  before(async function () {
    world = await openWorld({ megabytes: 400 });
    if (!world.thin) {
      await world.dispose();
      skipSuite(this, 'a small file system needs a loop file (Linux, root, btrfs-progs)');
    }
    await fillWorld(world);
    await world.done((c) => c.call('cloneCreate', { body: { environment, name: 'subject' } }));
    await world.write('subject', 'mine');
    mine = await world.connection('subject');
  });
  after(() => world.dispose());
  afterEach(() => rm(filler(), { force: true }));

  const failure = async (job: Job): Promise<string> => {
    const { state, error } = await world.ended(job);
    assert.equal(state, 'failed', error?.message ?? '');
    return `${error?.code ?? ''}: ${error?.message ?? ''}`;
  };
  const filler = (): string => join(world.store, '..', 'filler');
  const fill = (): Promise<void> => fillDisk(filler());

  const title = (name: string): string => `--\n-- Name: ${name}; Type: TABLE; Schema: public; Owner: -\n--\n`;
  for (const [what, first] of [
    ['whose data does not fit', ''],
    ['that went on behind an object', `${title('lost')}CREATE TABLE lost (id nowhere);\n${title('big')}`],
  ] as const)
    it(`fails a refresh ${what}, leaves nothing of it, and goes on when there is room`, async () => {
      const dump = join(world.engine.home, 'sources', 'big.sql');
      await writeFile(
        dump,
        `${first}CREATE TABLE mark AS SELECT '${origin}'::text AS v;
       CREATE TABLE big AS SELECT string_agg(md5((i * 1000 + j)::text), '') FROM generate_series(1, 40000) i, generate_series(1, 400) j GROUP BY i;`,
      );
      await chmod(dump, 0o644);
      const client = await world.client();
      await client.call('environmentApply', {
        params: { name: 'big' },
        body: {
          definition: { members: { db: { engine: 'postgres', retrieval: 'dump', dump, database: 'shop' } } },
        },
      });
      const { job } = await client.call('environmentRefresh', { params: { environment: 'big' }, body: {} });
      assert.match(await failure(job), /^storage_full: /);
      await world.checkNothingLeft();
      assert.equal(await world.readAt(mine), 'mine');
      await writeFile(dump, `CREATE TABLE mark AS SELECT '${origin}'::text AS v;`);
      await world.done((c) => c.call('environmentRefresh', { params: { environment: 'big' }, body: {} }));
    });

  it('fails clones and commits while it is full, loses no clone, and goes on when there is room', async () => {
    await fill();
    const client = await world.client();
    const { job: creating } = await client.call('cloneCreate', { body: { environment, name: 'more' } });
    const created = await world.ended(creating);
    const { job: committing } = await client.call('cloneCommit', {
      params,
      body: { message: 'x', name: 'more' },
    });
    const committed = await world.ended(committing);
    for (const { state, error } of [created, committed])
      if (state === 'failed') assert.equal(error?.code, 'storage_full', error?.message ?? '');
    assert.ok(
      [created, committed].some(({ state }) => state === 'failed'),
      'something did not fit',
    );
    await rm(filler());
    if ((await world.clone('subject')).state !== 'ready')
      await world.done((c) => c.call('cloneStart', { params }));
    await world.checkNothingLeft();
    assert.equal(await world.readAt(mine), 'mine');
    await world.done((c) => c.call('cloneCreate', { body: { environment, name: 'again' } }));
    assert.equal(await world.read('again'), origin);
  });

  it('lets clones be destroyed while it is full', async () => {
    await fill();
    await world.done((c) => c.call('cloneDestroy', { params: { clone: 'again' } }));
    await rm(filler());
    await world.checkNothingLeft();
  });
});
