import assert from 'node:assert/strict';
import type { Checkout } from '../../../engine/protocol/entities.ts';
import { isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import { workspaceSchema } from '../../../engine/protocol/workspace.ts';
import type { FakeTree } from '../../../engine/git/fake/fakeGit.ts';
import { caller, cloneName, openMemoryEngine, ref, type MemoryEngine } from '../../support/memoryEngine.ts';
import { seeded } from '../../support/seeds.ts';

const path = '/work/shop';

describe('a checkout in memory', () => {
  let engine: MemoryEngine;
  let tree: FakeTree;

  const workspace = (section: object): void =>
    void engine.workspaces.set(path, workspaceSchema.parse(section));
  const checkouts = () => engine.life().services.checkouts;
  const show = (at = path): Checkout => {
    const found = checkouts()
      .list()
      .find((each) => each.path === at);
    assert.ok(found, at);
    return found;
  };
  const open = (follow?: 'off' | 'ask' | 'automatic', folder = path): Promise<Checkout> =>
    checkouts().open({ folder, ...(follow === undefined ? {} : { follow }) }, caller);
  const settled = (): Promise<void> => engine.settled();
  const port = (at = path): number => show(at).endpoints[0]?.port ?? 0;
  /** Which branch's clone answers at the checkout's port now; undefined when none does. */
  const answering = (at = path): string | null | undefined => {
    const client = engine.life().endpoints.connect(port(at));
    const clone = client?.ask();
    client?.close();
    return engine.store.clones.list().find(({ id }) => id === clone)?.branch;
  };
  const branches = (): (string | null)[] =>
    engine.store.clones
      .list()
      .map(({ branch }) => branch)
      .sort();
  const refusal = async (code: ErrorCode, work: () => unknown): Promise<void> => {
    await assert.rejects(
      async () => work(),
      (error) => isFailure(error, code),
    );
  };

  beforeEach(async () => {
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'o', users: 'u' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    tree = engine.git.addRepository(path);
    tree.commit();
  });
  afterEach(async () => {
    await settled();
    assert.deepEqual(await engine.violations(), []);
    await engine.close();
  });

  it('gives each branch its clone, and leads its ports to the one that is checked out', async () => {
    await open('automatic');
    await settled();
    assert.equal(show().state, 'ready');
    assert.equal(answering(), 'main');
    const { endpoints } = show();
    tree.checkout('feature/a');
    await settled();
    assert.equal(answering(), 'feature/a');
    assert.deepEqual(branches(), ['feature/a', 'main']);
    tree.checkout('main');
    await settled();
    assert.equal(answering(), 'main');
    assert.deepEqual(show().endpoints, endpoints);
    assert.deepEqual(branches(), ['feature/a', 'main']);
  });

  it('asks before it makes a clone, and remembers the answer for as long as it was said', async () => {
    await open();
    await settled();
    assert.equal(show().state, 'asking');
    assert.deepEqual(show().question, { branch: 'main', key: 'main', from: 'latest' });
    assert.equal(answering(), undefined);
    await checkouts().answer(ref(path), { branch: 'main', answer: 'create' });
    await settled();
    assert.equal(answering(), 'main');

    tree.checkout('feature/a');
    await settled();
    await refusal('question_changed', () =>
      checkouts().answer(ref(path), { branch: 'main', answer: 'create' }),
    );
    await checkouts().answer(ref(path), {
      branch: 'feature/a',
      answer: 'none',
      remember: 'pattern',
      pattern: 'feature/*',
    });
    tree.checkout('feature/b');
    await settled();
    assert.equal(show().state, 'none');
    assert.match(show().reason ?? '', /feature\/\*/);
    tree.checkout('fix');
    await settled();
    await checkouts().answer(ref(path), { branch: 'fix', answer: 'none' });
    await settled();
    assert.equal(show().state, 'none');
    tree.checkout('main');
    await settled();
    tree.checkout('fix');
    await settled();
    assert.equal(show().state, 'asking', 'once is until HEAD moves');
    await checkouts().answer(ref(path), { branch: 'fix', answer: 'create', remember: 'workspace' });
    await settled();
    tree.checkout('other');
    await settled();
    assert.equal(answering(), 'other');
    assert.deepEqual(branches(), ['fix', 'main', 'other']);
  });

  it('makes no clone for a detached HEAD, in the middle of an operation or on the way through branches', async () => {
    await open('automatic');
    await settled();
    tree.detach();
    await settled();
    assert.equal(show().state, 'none');
    assert.match(show().reason ?? '', /detached/);
    assert.equal(answering(), undefined);
    tree.checkout('main');
    await settled();
    tree.begin('rebase');
    await settled();
    assert.equal(answering(), 'main');
    tree.end();
    await settled();
    for (const branch of ['a', 'b', 'c', 'd']) {
      tree.checkout(branch);
      await engine.clock.advance(20);
    }
    await settled();
    assert.equal(answering(), 'd');
    assert.deepEqual(branches(), ['d', 'main']);
  });

  it('shares one clone among branches of a pattern, and none where none is wanted', async () => {
    workspace({ follow: 'automatic', branches: { shared: ['release/*'], never: ['bot/**'] } });
    await open();
    for (const branch of ['release/1', 'release/2', 'bot/x/y']) {
      tree.checkout(branch);
      await settled();
    }
    assert.equal(show().state, 'none');
    assert.deepEqual(branches(), ['main', 'release/*']);
  });

  it("starts a branch from the present state of another branch's clone, which goes with its last clone", async () => {
    workspace({ follow: 'automatic', branches: { from: { 'feature/*': 'current' } } });
    await open();
    await settled();
    await engine.write('main', 'changed');
    tree.checkout('feature/a');
    await settled();
    assert.equal(answering(), 'feature/a');
    assert.deepEqual(await engine.read('feature/a'), { orders: 'changed', users: 'changed' });
    assert.equal(engine.store.snapshots.list().filter(({ origin }) => origin === 'branch').length, 1);
    await engine.done(({ clones }) => clones.destroy(ref('feature/a'), caller));
    await settled();
    assert.equal(engine.store.snapshots.list().filter(({ origin }) => origin === 'branch').length, 0);
    assert.deepEqual(branches(), ['main'], 'what was destroyed on purpose is not made again at once');
    assert.match(show().reason ?? '', /destroyed/);
  });

  it('knows after a restart which clone was in use before, for a branch that begins there', async () => {
    workspace({ follow: 'automatic', branches: { from: { 'feature/*': 'current' } } });
    await open();
    await settled();
    await engine.write('main', 'changed');
    await engine.life().services.close();
    tree.checkout('feature/a');
    await engine.restart();
    await settled();
    assert.deepEqual(await engine.read('feature/a'), { orders: 'changed', users: 'changed' });
  });

  it('follows a branch that is renamed, and keeps user, password and ports', async () => {
    await open('automatic');
    tree.checkout('old');
    await settled();
    const before = await checkouts().connection(ref(path));
    const clone = show().clone;
    tree.rename('old', 'new');
    await settled();
    assert.equal(answering(), 'new');
    assert.equal(show().clone, clone);
    assert.deepEqual(await checkouts().connection(ref(path)), before);
    assert.deepEqual(branches(), ['main', 'new']);
  });

  for (const kind of ['reset', 'rename', 'bind'] as const)
    it(`takes the clone of a renamed branch along once the job that works on it has ended: ${kind}`, async () => {
      await open('automatic');
      await settled();
      const { clone } = show();
      const { clones } = engine.life().services;
      tree.rename('main', 'trunk');
      // Begun when the look that the new name causes is on its way, and still at work when that binds.
      const formerNames = engine.git.formerNames.bind(engine.git);
      let ended: Promise<unknown> | undefined;
      engine.git.formerNames = async (...args) => {
        const names = await formerNames(...args);
        const of = ref(clone ?? '');
        const job =
          kind === 'reset'
            ? clones.reset(of, {}, caller)
            : kind === 'rename'
              ? clones.rename(of, cloneName('other'), caller)
              : clones.bind(of, null, undefined, caller);
        ended ??= engine.life().ended(job);
        engine.git.formerNames = formerNames;
        return names;
      };
      await settled();
      assert.ok(ended, 'the new name was looked for');
      await ended;
      await settled();
      const { state, key, reason } = show();
      assert.deepEqual({ state, key, reason }, { state: 'ready', key: 'trunk', reason: null });
      assert.equal(answering(), 'trunk');
      if (kind !== 'bind') assert.equal(show().clone, clone);
    });

  it('starts a stopped clone once the job that works on it has ended, rather than take that for a failure', async () => {
    await open('automatic');
    await settled();
    const { clone } = show();
    tree.checkout('other');
    await settled();
    await engine.done(({ clones }) => clones.stop(ref(clone ?? ''), caller));
    // The switch starts it, at a moment at which one rename after another is at work on it.
    tree.checkout('main');
    const { clones } = engine.life().services;
    const looked = settled();
    for (let ordinal = 0; ordinal < 30; ordinal++)
      await engine
        .life()
        .ended(clones.rename(ref(clone ?? ''), cloneName(`name-${String(ordinal)}`), caller));
    await looked;
    await settled();
    assert.equal(show().state, 'ready', show().reason ?? '');
    assert.equal(answering(), 'main');
  });

  it('holds connections while the clone is reset, and goes on with them', async () => {
    await open('automatic');
    await settled();
    const job = engine.life().services.clones.reset(ref('main'), {}, caller);
    // In the same turn: whoever connects from now on would meet servers that are about to end.
    const client = engine.life().endpoints.connect(port());
    assert.deepEqual(client?.state(), { kind: 'held' });
    await engine.life().ended(job);
    await settled();
    assert.equal(client.state().kind, 'open');
    client.close();
    assert.equal(answering(), 'main');
    assert.equal(show().state, 'ready');
  });

  it('ends connections with a word, and makes no other clone, from the moment in which the clone begins to be destroyed', async () => {
    await open('automatic');
    await settled();
    const client = engine.life().endpoints.connect(port());
    const job = engine.life().services.clones.destroy(ref('main'), caller);
    // In the same turn: its server is about to end, and has no word for that.
    const state = client?.state();
    assert.equal(state?.kind, 'parted');
    assert.match(state.notice, /leads nowhere now: Clone main is being destroyed/);
    await engine.life().ended(job);
    await settled();
    assert.deepEqual(branches(), []);
    assert.equal(show().state, 'none');
  });

  it('lets transactions end with the clone that HEAD has left, where the file says so, and with no other', async () => {
    await open('automatic');
    await settled();
    const { clone } = show();
    const inTransaction = () => {
      const client = engine.life().endpoints.connect(port());
      client?.begin();
      assert.ok(client !== undefined);
      return client;
    };
    const [closed, idle] = [inTransaction(), inTransaction()];
    idle.commit();
    tree.checkout('feature/a');
    await settled();
    assert.equal(closed.state().kind, 'parted', 'close is the default');

    workspace({ endpoint: { onSwitch: 'drain' } });
    tree.checkout('main');
    await settled();
    const drains = inTransaction();
    tree.checkout('feature/b');
    await settled();
    assert.equal(answering(), 'feature/b');
    assert.equal(drains.ask(), clone);
    const reset = inTransaction();
    const job = engine.life().services.clones.reset(ref('feature/b'), {}, caller);
    assert.equal(reset.state().kind, 'parted', 'its server ends');
    await engine.life().ended(job);
    await settled();
    assert.equal(drains.ask(), clone, 'a reset of another clone is none of its business');
    drains.commit();
    assert.equal(drains.state().kind, 'parted');
  });

  it('leads as before when the engine is started again, also after the state was lost', async () => {
    await open('automatic');
    tree.checkout('feature/a');
    await settled();
    const before = await checkouts().connection(ref(path));
    await engine.restart();
    await settled();
    assert.equal(answering(), 'feature/a');
    assert.deepEqual(await checkouts().connection(ref(path)), before);
    tree.checkout('main');
    await settled();
    assert.equal(answering(), 'main');

    await engine.restart({ loseState: true });
    await open('automatic');
    await settled();
    assert.equal(answering(), 'main');
    assert.deepEqual(await checkouts().connection(ref(path)), before);
    assert.deepEqual(branches(), ['feature/a', 'main']);
  });

  it('tells of a port that another program took, tries it again, and takes another one when asked', async () => {
    await open('automatic');
    await settled();
    const before = show().endpoints;
    engine.foreignPorts.add(port());
    await engine.restart();
    await settled();
    assert.deepEqual(
      show().endpoints.map(({ port: number, state }) => [number, state]),
      [
        [before[0]?.port, 'taken'],
        [before[1]?.port, 'listening'],
      ],
    );
    engine.life().endpoints.taken.clear();
    for (let passed = 0; passed < 3; passed++) await engine.clock.advance(1000);
    await settled();
    assert.deepEqual(show().endpoints, before);
    assert.equal(answering(), 'main');

    await engine.restart();
    await settled();
    await checkouts().exchangePorts(ref(path));
    assert.equal(show().endpoints[1]?.port, before[1]?.port);
    assert.notEqual(show().endpoints[0]?.port, before[0]?.port);
    assert.equal(answering(), 'main');
  });

  it('binds a clone by hand, lends one of another branch until HEAD moves, and takes it off again', async () => {
    await open('automatic');
    await settled();
    tree.checkout('feature/a');
    await settled();
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('mine') }, caller),
    );
    await checkouts().use(ref(path), { clone: ref('mine') }, caller);
    await settled();
    assert.equal(show().clone, engine.clone('mine').id);
    assert.equal(engine.clone('mine').branch, 'feature/a');
    assert.equal(engine.clone('feature/a').branch, null);

    await checkouts().use(ref(path), { clone: ref('main') }, caller);
    await settled();
    assert.equal(answering(), 'main');
    tree.checkout('main');
    await settled();
    tree.checkout('feature/a');
    await settled();
    assert.equal(show().clone, engine.clone('mine').id);

    await checkouts().unbind(ref(path));
    await settled();
    assert.equal(show().state, 'none');
    assert.equal(engine.clone('mine').branch, null);
    const { job } = await checkouts().use(ref(path), {}, caller);
    assert.ok(job);
    await settled();
    assert.equal(answering(), 'feature/a');
  });

  it('makes no other clone for a branch whose clone is taken off it after it was asked for', async () => {
    await open('ask');
    await settled();
    await checkouts().answer(ref(path), { branch: 'main', answer: 'create' });
    await settled();
    assert.equal(answering(), 'main');
    await checkouts().unbind(ref(path));
    await settled();
    assert.equal(show().state, 'none');
    assert.deepEqual(branches(), [null]);
  });

  it('keeps a clone that was chosen by hand where jj moves a detached HEAD, until there is a bookmark', async () => {
    await open('automatic');
    await settled();
    tree.useJujutsu();
    await settled();
    assert.equal(show().state, 'none');
    assert.match(show().reason ?? '', /no bookmark of jj/);
    await checkouts().use(ref(path), { clone: ref('main') }, caller);
    for (let commit = 0; commit < 3; commit++) {
      tree.commit();
      await settled();
      assert.equal(answering(), 'main');
    }
    tree.checkout('feature/a');
    await settled();
    assert.equal(answering(), 'feature/a');
  });

  it('tells why there is no clone, and makes it when the reason is gone', async () => {
    await engine.done(({ environments }) =>
      environments.deleteSnapshot(ref(engine.store.snapshots.list()[0]?.id ?? ''), caller),
    );
    await open('automatic');
    await settled();
    assert.equal(show().state, 'failed');
    assert.match(show().reason ?? '', /no snapshot yet/);
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    await settled();
    assert.equal(answering(), 'main');
  });

  it('makes the clone when the limit has room again', async () => {
    engine.declare('shop', { orders: 'o', users: 'u' }, { limit: 1 });
    await open('automatic');
    await settled();
    tree.checkout('feature/a');
    await settled();
    assert.equal(show().state, 'failed');
    assert.match(show().reason ?? '', /limit of 1 clone/);
    await engine.done(({ clones }) => clones.destroy(ref('main'), caller));
    await settled();
    assert.equal(answering(), 'feature/a');
  });

  it('has the same ports after the state is lost, also when its environment was another one before', async () => {
    engine.declare('copy', { orders: 'o', users: 'u' });
    await engine.done(({ environments }) => environments.refresh(ref('copy'), {}, caller));
    workspace({ environment: 'shop' });
    await open('automatic');
    await settled();
    const before = show().endpoints.map(({ member, port: number }) => [member, number]);
    workspace({ environment: 'copy' });
    await open();
    await settled();
    assert.equal(show().environment, 'copy');
    const ports = () => show().endpoints.map(({ member, port: number }) => [member, number]);
    assert.deepEqual(ports(), before);

    await engine.restart({ loseState: true });
    await open('automatic');
    await settled();
    assert.equal(show().environment, 'copy');
    assert.deepEqual(ports(), before);
  });

  it('looks once more when that is asked for in the very moment in which a look ends', async () => {
    workspace({ follow: 'automatic' });
    await open();
    await settled();
    const { feed } = engine.life().context;
    const news = engine.life().events.findLast((event) => event.kind === 'environment');
    assert.ok(news);
    const askFor = (latestSnapshot: typeof news.entity.latestSnapshot): void =>
      feed.publish({ kind: 'environment', entity: { ...news.entity, latestSnapshot } });
    let isAsked = false;
    feed.subscribe({ epoch: feed.epoch, seq: feed.seq() }, (event) => {
      if (event.kind !== 'checkout' || isAsked) return;
      isAsked = true;
      // The look has told what it found, and has nothing left to do.
      queueMicrotask(() => {
        workspace({ follow: 'off' });
        askFor(news.entity.latestSnapshot);
      });
    });
    workspace({ follow: 'ask' });
    askFor(null);
    await settled();
    assert.ok(isAsked);
    assert.equal(show().follow, 'off');
  });

  it('gives a worktree ports of its own, and two worktrees of one branch the same clone', async () => {
    await open('automatic');
    await settled();
    tree.addWorktree('/work/shop-a', 'feature/a');
    tree.addWorktree('/work/shop-b', 'feature/b');
    await Promise.all([open('automatic', '/work/shop-a'), open('automatic', '/work/shop-b')]);
    await settled();
    assert.equal(new Set([port(), port('/work/shop-a'), port('/work/shop-b')]).size, 3);
    assert.deepEqual(
      [answering(), answering('/work/shop-a'), answering('/work/shop-b')],
      ['main', 'feature/a', 'feature/b'],
    );
    tree.removeWorktree('/work/shop-b');
    await settled();
    assert.equal(show('/work/shop-b').state, 'none');
    const proposals = await engine.life().services.cleanUp.proposals();
    assert.deepEqual(
      proposals.map(({ branch, reason }) => [branch, reason]),
      [['feature/b', 'worktree-removed']],
    );
  });

  it('proposes clones of finished branches, and destroys them only where that was asked for and their time has come', async () => {
    workspace({ follow: 'automatic', branches: { cleanUpAfter: '2d' } });
    await open();
    for (const branch of ['done', 'kept', 'renamed', 'main']) {
      tree.checkout(branch);
      tree.commit();
      await settled();
    }
    const { cleanUp, clones } = engine.life().services;
    await clones.protect(ref('kept'), 'forever');
    for (const branch of ['done', 'kept']) {
      tree.merge(branch);
      tree.deleteBranch(branch);
    }
    tree.rename('renamed', 'better');
    const proposals = await cleanUp.proposals();
    assert.deepEqual(
      proposals.map(({ name, reason, isProtected, destroyAt }) => [
        name,
        reason,
        isProtected,
        destroyAt === null,
      ]),
      [
        ['kept', 'deleted', true, true],
        ['done', 'deleted', false, false],
      ],
    );
    await settled();
    assert.equal(engine.clone('renamed').branch, 'better');
    const day = 86_400_000;
    await engine.clock.pass(day);
    await settled();
    assert.equal(branches().includes('done'), true);
    await engine.clock.pass(day);
    await engine.clock.pass(3_600_000);
    await settled();
    assert.deepEqual(branches(), ['better', 'kept', 'main']);
  });

  it('keeps the variables right in a file, and takes them out when it is no longer followed', async () => {
    workspace({ variables: { DB: '{orders.url}', PORT: '{users.port}' } });
    await open('automatic');
    await checkouts().setEnvFile(ref(path), { file: '.env' });
    await settled();
    const [orders, users] = await checkouts().connection(ref(path));
    const values = engine.envFiles.get(`${path}/.env`);
    assert.equal(values?.PORT, String(users?.port));
    assert.match(values.DB ?? '', new RegExp(`:${orders?.port}/`));
    tree.track('config.env');
    await refusal('env_file_tracked', () => checkouts().setEnvFile(ref(path), { file: 'config.env' }));
    await checkouts().forget(ref(path));
    assert.equal(engine.envFiles.size, 0);
    assert.equal(engine.life().endpoints.listening.size, 0);
  });

  it('sets what is no plain connection only when somebody agreed to this value, in every checkout of the repository', async () => {
    const variables = { DB: '{orders.url}', MAKEFILES: './evil.mk', TAR_OPTIONS: '{orders.database}' };
    workspace({ variables, envFile: '.env' });
    await open('automatic');
    await settled();
    const inFile = (at = path): string[] => Object.keys(engine.envFiles.get(`${at}/.env`) ?? {});
    const held = (at = path) => show(at).heldVariables.map(({ name, value, state }) => [name, value, state]);
    assert.deepEqual(show().variables, { DB: '{orders.url}' });
    assert.deepEqual(held(), [
      ['MAKEFILES', './evil.mk', 'asking'],
      ['TAR_OPTIONS', '{orders.database}', 'asking'],
    ]);
    assert.deepEqual(inFile(), ['DB']);

    const say = (name: string, value: string, answer: 'allow' | 'refuse') =>
      checkouts().answerVariable(ref(path), { name, value, answer });
    for (const [name, value] of [
      ['MAKEFILES', './another.mk'],
      ['DB', '{orders.url}'],
      ['NOT_THERE', 'x'],
    ] as const)
      await refusal('variable_unasked', () => say(name, value, 'allow'));
    await say('MAKEFILES', './evil.mk', 'allow');
    await say('TAR_OPTIONS', '{orders.database}', 'refuse');
    assert.deepEqual(Object.keys(show().variables), ['DB', 'MAKEFILES']);
    assert.deepEqual(held(), [['TAR_OPTIONS', '{orders.database}', 'refused']]);
    assert.deepEqual(inFile(), ['DB', 'MAKEFILES']);

    // Another working tree of the repository, and another life of the engine.
    tree.addWorktree('/work/shop-b', 'b');
    engine.workspaces.set('/work/shop-b', workspaceSchema.parse({ variables, envFile: '.env' }));
    await open('automatic', '/work/shop-b');
    await settled();
    assert.deepEqual(inFile('/work/shop-b'), ['DB', 'MAKEFILES']);
    await engine.restart();
    await settled();
    assert.deepEqual(Object.keys(show().variables), ['DB', 'MAKEFILES']);

    // Another value is another question; what was taken back is not set any more.
    workspace({ variables: { ...variables, MAKEFILES: './other.mk' }, envFile: '.env' });
    await open();
    assert.deepEqual(held()[0], ['MAKEFILES', './other.mk', 'asking']);
    assert.deepEqual(inFile(), ['DB']);
    workspace({ variables, envFile: '.env' });
    await open();
    assert.deepEqual(inFile(), ['DB', 'MAKEFILES']);
    await say('MAKEFILES', './evil.mk', 'refuse');
    assert.deepEqual(inFile(), ['DB']);
    assert.deepEqual(Object.keys(show('/work/shop-b').variables), ['DB']);
  });

  it('asks anew in another repository', async () => {
    workspace({ variables: { RAILS_ENV: 'test' } });
    await open('automatic');
    await checkouts().answerVariable(ref(path), { name: 'RAILS_ENV', value: 'test', answer: 'allow' });
    const other = engine.git.addRepository('/work/other');
    other.commit();
    engine.workspaces.set('/work/other', workspaceSchema.parse({ variables: { RAILS_ENV: 'test' } }));
    await open('automatic', '/work/other');
    assert.deepEqual(show('/work/other').variables, {});
  });

  it('goes by the file again when what was chosen is taken back', async () => {
    workspace({ follow: 'off' });
    await open('automatic');
    assert.equal(show().follow, 'automatic');
    await checkouts().open({ folder: path, follow: null }, caller);
    assert.equal(show().follow, 'off');
  });

  it('is followed as the file says again when somebody uses it after switching it off', async () => {
    workspace({ follow: 'automatic' });
    await open('off');
    await checkouts().use(ref(path), {}, caller);
    assert.equal(show().follow, 'automatic');
    workspace({ follow: 'off' });
    await open('off');
    await checkouts().use(ref(path), {}, caller);
    await settled();
    assert.equal(show().follow, 'ask');
    assert.equal(answering(), 'main');
  });

  it('keeps its environment when another one comes, once it has an answer or a clone', async () => {
    await open('automatic');
    await settled();
    const { endpoints } = show();
    engine.declare('billing', { invoices: 'i' });
    await settled();
    assert.deepEqual([show().environment, show().state, answering()], ['shop', 'ready', 'main']);
    assert.deepEqual(show().endpoints, endpoints);
    // A checkout without a word is not guessed at; its repository's clones speak for a worktree.
    engine.git.addRepository('/work/other').commit();
    await open('ask', '/work/other');
    assert.equal(show('/work/other').environment, null);
    for (const { id } of engine.store.clones.list())
      await engine.done(({ clones }) => clones.destroy(ref(id), caller));
    await settled();
    assert.equal(show().environment, 'shop');
    await engine.restart();
    await settled();
    assert.equal(show().environment, 'shop');
  });
  it('keeps its environment after an answer that no clone is wanted, too', async () => {
    await open('ask');
    await checkouts().answer(ref(show().id), { branch: 'main', answer: 'none', remember: 'branch' });
    engine.declare('billing', { invoices: 'i' });
    await settled();
    assert.equal(show().environment, 'shop');
  });

  it('does nothing where it is switched off', async () => {
    await open('off');
    tree.checkout('feature/a');
    await settled();
    assert.equal(show().state, 'off');
    assert.deepEqual(branches(), []);
    await checkouts().use(ref(path), {}, caller);
    await settled();
    assert.equal(answering(), 'feature/a');
  });
});

describe('checkouts of many branches with faults', function () {
  this.timeout(60_000);
  const seeds = Number(process.env.THIN_CLONES_SEED ?? 0) || 1;
  for (let seed = seeds; seed < seeds + 5; seed++) {
    it(`never lead to another branch than they say (seed ${seed})`, async () => {
      const chance = seeded(seed);
      const engine = await openMemoryEngine({ seed });
      engine.declare('shop', { orders: 'o' });
      await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
      const main = engine.git.addRepository(path);
      main.commit();
      await engine.life().services.checkouts.open({ folder: path, follow: 'automatic' }, caller);
      const check = (): void => {
        for (const checkout of engine.life().services.checkouts.list()) {
          if (checkout.state !== 'ready') continue;
          const client = engine.life().endpoints.connect(checkout.endpoints[0]?.port ?? 0);
          const answered = engine.store.clones.list().find(({ id }) => id === client?.ask());
          client?.close();
          assert.equal(answered?.branch, checkout.key);
        }
        const keys = engine.store.clones.list().map(({ repository, branch }) => `${repository} ${branch}`);
        assert.equal(new Set(keys).size, keys.length, 'two clones of one branch');
        assert.ok(!keys.some((key) => key.endsWith(' null')));
      };
      for (let step = 0; step < 60; step++) {
        const branch = `b${Math.floor(chance() * 6)}`;
        const what = chance();
        if (what < 0.6) main.checkout(branch);
        else if (what < 0.7) main.detach();
        else if (what < 0.75) await engine.restart();
        else if (what < 0.8) await engine.restart({ reboot: true });
        await engine.clock.advance(Math.floor(chance() * 200));
        check();
        if (chance() < 0.5) await engine.life().quiet();
        check();
      }
      main.checkout('last');
      await engine.settled();
      check();
      const [only] = engine.life().services.checkouts.list();
      assert.deepEqual([only?.state, only?.key], ['ready', 'last']);
      assert.deepEqual(await engine.violations(), []);
      await engine.close();
    });
  }
});
