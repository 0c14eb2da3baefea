import assert from 'node:assert/strict';
import type { Checkout } from '../../../engine/protocol/entities.ts';
import {
  caller,
  cloneName,
  environmentName,
  openMemoryEngine,
  ref,
  type MemoryEngine,
} from '../../support/memoryEngine.ts';

const path = '/work/shop';

describe('a member whose file names a user', () => {
  let engine: MemoryEngine;

  const declareUser = (user: string | undefined): void => {
    const { environments } = engine.life().services;
    const record = engine.store.environments.list().find(({ name }) => name === environmentName('shop'));
    assert.ok(record !== undefined);
    const members = Object.fromEntries(
      Object.entries(record.definition.members).map(([name, { user: _user, ...member }]) => [
        name,
        { ...member, ...(name === 'orders' && user !== undefined ? { user } : {}) },
      ]),
    );
    environments.apply(environmentName('shop'), { definition: { ...record.definition, members } });
  };
  const usersOf = (name: string): string[] => engine.clone(name).members.map(({ user }) => user);
  const make = (name: string) =>
    engine.done(({ clones }) => clones.create({ environment: ref('shop'), name: cloneName(name) }, caller));
  /** Logs in to each member as its row and its connection say. */
  const checkLogins = async (name: string): Promise<void> => {
    const { context, services } = engine.life();
    for (const { name: member, user, password } of services.clones.connection(ref(name))) {
      const row = engine.clone(name).members.find((each) => each.name === member);
      assert.equal(row?.user, user);
      assert.ok(context.databases.postgres !== undefined);
      const spec = await context.databases.postgres.server({
        ...{ dataset: row.dataset, title: name, dataDirectory: context.storage.path(row.dataset) },
        ...{ version: row.version, port: row.port, durable: true, logFile: '/log' },
      });
      await context.databases.postgres.checkLogin(spec, { user, password }, row.database);
    }
  };

  beforeEach(async () => {
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'o', users: 'u' });
    declareUser('app_user');
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
  });
  afterEach(async () => {
    await engine.settled();
    assert.deepEqual(await engine.violations(), []);
    await engine.close();
  });

  it('lets that one in to its clones, also after a reset and when the file has another one meanwhile', async () => {
    await make('a');
    assert.deepEqual(usersOf('a'), ['app_user', 'thin_clone']);
    await checkLogins('a');
    declareUser('other');
    await engine.done(({ clones }) => clones.reset(ref('a'), {}, caller));
    assert.deepEqual(usersOf('a'), ['app_user', 'thin_clone']);
    await checkLogins('a');
    await make('b');
    assert.deepEqual(usersOf('b'), ['other', 'thin_clone']);
    await checkLogins('b');
  });

  it('names that one at the ports of a checkout: whom a clone lets in, or would', async () => {
    engine.git.addRepository(path).commit();
    const users = (): string[] => {
      const [checkout]: Checkout[] = engine.life().services.checkouts.list();
      return checkout?.endpoints.map(({ user }) => user) ?? [];
    };
    await engine.life().services.checkouts.open({ folder: path, follow: 'ask' }, caller);
    await engine.settled();
    assert.deepEqual(users(), ['app_user', 'thin_clone']);
    await engine.life().services.checkouts.open({ folder: path, follow: 'automatic' }, caller);
    await engine.settled();
    declareUser('other');
    await engine.settled();
    assert.deepEqual(users(), ['app_user', 'thin_clone']);
  });
});
