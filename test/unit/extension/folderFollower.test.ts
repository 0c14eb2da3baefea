import assert from 'node:assert/strict';
import type { Client } from '../../../engine/protocol/client.ts';
import type { Overview } from '../../../engine/protocol/events.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import {
  createFolderFollower,
  type Folder,
  type FolderFollowerOptions,
} from '../../../src/checkouts/folderFollower.ts';
import { createEmitter } from '../../../src/engine/emitter.ts';
import { createModel, type Timer } from '../../../src/engine/model.ts';
import type { SessionState } from '../../../src/engine/session.ts';
import { checkoutId, fakeCheckout } from '../../support/fakeEngine/fakeCheckout.ts';
import { fakeClone, fakeEnvironment, fakeInfo, ids } from '../cli/fakeEngine.ts';

const shop: Folder = { key: 'file:///src/shop', path: '/src/shop' };
const notes: Folder = { key: 'file:///src/notes', path: '/src/notes' };
const atOnce: Timer = {
  now: () => 0,
  after(_ms, run) {
    run();
    return () => undefined;
  },
};

function world(options: Partial<FolderFollowerOptions> & { folders?: () => readonly Folder[] } = {}) {
  const model = createModel(atOnce);
  const stateChanged = createEmitter<SessionState>();
  const opened: object[] = [];
  const remembered = new Set<string>();
  let state: SessionState = { kind: 'idle' };
  let starts = 0;
  let answer: () => ReturnType<typeof fakeCheckout> = fakeCheckout;
  const overview = (changes: Partial<Overview>): void =>
    model.load({
      epoch: 'e1',
      seq: 1,
      hosts: [],
      environments: [],
      snapshots: [],
      clones: [],
      checkouts: [],
      jobs: [],
      ...changes,
    });
  const client = {
    call: async (_name: string, { body }: { body: object }) => {
      opened.push(body);
      const checkout = answer();
      model.apply({ kind: 'checkout', entity: checkout, seq: (model.position?.seq ?? 0) + 1 });
      return checkout;
    },
  } as unknown as Client;
  overview({});
  const follower = createFolderFollower({
    session: {
      get state() {
        return state;
      },
      model,
      onDidChangeState: stateChanged.subscribe,
      async connect() {
        starts++;
        if (state.kind !== 'connected') enter({ kind: 'connected', info: fakeInfo });
        return client;
      },
    },
    folders: () => [shop],
    chosen: () => undefined,
    survey: async () => ({ isCheckout: true, isDeclared: false }),
    remembered: {
      has: ({ key }) => remembered.has(key),
      set({ key }, followed) {
        if (followed) remembered.add(key);
        else remembered.delete(key);
      },
    },
    log: () => undefined,
    ...options,
  });
  const enter = (next: SessionState): void => {
    state = next;
    stateChanged.emit(next);
  };
  return {
    follower,
    model,
    opened,
    remembered,
    enter,
    overview,
    starts: () => starts,
    answers: (next: typeof answer): void => {
      answer = next;
    },
    settled: async (): Promise<void> => {
      await follower.settled(shop);
      await follower.settled(notes);
    },
  };
}

describe('what the window has the engine follow', () => {
  it('starts no engine for a folder that nobody said anything about', async () => {
    const { follower, opened, starts, settled } = world();
    follower.look();
    await settled();
    assert.deepEqual(opened, []);
    assert.equal(starts(), 0);
    assert.equal(follower.isWanted(), false);
  });

  it('starts the engine for a folder whose thin-clones.yaml has a workspace section', async () => {
    const { follower, opened, settled } = world({
      survey: async () => ({ isCheckout: true, isDeclared: true }),
    });
    follower.look();
    await settled();
    assert.deepEqual(opened.at(-1), { folder: '/src/shop' });
    assert.equal(follower.isWanted(), true);
    assert.equal(follower.places()[0]?.checkout.id, checkoutId);
  });

  it('starts the engine for a folder that was followed before in this workspace', async () => {
    const { follower, opened, remembered, settled } = world();
    remembered.add(shop.key);
    follower.look();
    await settled();
    assert.deepEqual(opened, [{ folder: '/src/shop' }]);
  });

  it('starts the engine where the settings say so, but not for a folder without Git', async () => {
    const { opened, follower, settled } = world({ chosen: () => 'automatic' });
    follower.look();
    await settled();
    assert.deepEqual(opened, [{ folder: '/src/shop', follow: 'automatic' }]);
    const plain = world({
      chosen: () => 'automatic',
      survey: async () => ({ isCheckout: false, isDeclared: false }),
    });
    plain.follower.look();
    await plain.settled();
    assert.equal(plain.starts(), 0);
  });

  it('takes back once what a setting said that was taken out', async () => {
    let setting: 'automatic' | undefined = 'automatic';
    const { follower, opened, settled } = world({ chosen: () => setting });
    follower.look();
    await settled();
    setting = undefined;
    follower.look();
    await settled();
    follower.look();
    await settled();
    assert.deepEqual(opened, [
      { folder: '/src/shop', follow: 'automatic' },
      { folder: '/src/shop', follow: null },
      { folder: '/src/shop' },
    ]);
  });

  it('starts none where the settings say off, and says so to one that runs', async () => {
    const { follower, opened, starts, enter, settled } = world({
      chosen: () => 'off',
      survey: async () => ({ isCheckout: true, isDeclared: true }),
    });
    follower.look();
    await settled();
    assert.equal(starts(), 0);
    enter({ kind: 'connected', info: fakeInfo });
    await settled();
    assert.deepEqual(opened, [{ folder: '/src/shop', follow: 'off' }]);
  });

  it('opens every folder once the engine is there anyway, and again when it comes back', async () => {
    const { opened, enter, settled } = world({ folders: () => [shop, notes] });
    enter({ kind: 'connected', info: fakeInfo });
    await settled();
    assert.deepEqual(opened, [{ folder: '/src/shop' }, { folder: '/src/notes' }]);
    enter({ kind: 'stopped' });
    enter({ kind: 'connected', info: fakeInfo });
    await settled();
    assert.equal(opened.length, 4);
  });

  it('remembers a folder whose branch has a clone, and forgets one that is switched off', async () => {
    const { follower, remembered, enter, answers, settled } = world();
    enter({ kind: 'connected', info: fakeInfo });
    await settled();
    assert.deepEqual([...remembered], []);
    answers(() => fakeCheckout({ state: 'ready', clone: ids.clone }));
    follower.look();
    await settled();
    assert.deepEqual([...remembered], [shop.key]);
    answers(() => fakeCheckout({ follow: 'off', state: 'off' }));
    follower.look();
    await settled();
    assert.deepEqual([...remembered], []);
    assert.equal(follower.isWanted(), false);
  });

  it('tells why a folder is not followed, and tries again when there is another environment', async () => {
    const { follower, enter, answers, overview, settled } = world();
    answers(() => {
      throw fail('environment_unchosen', { path: '/src/shop', known: [] });
    });
    enter({ kind: 'connected', info: fakeInfo });
    await settled();
    assert.deepEqual(follower.places(), []);
    assert.match(follower.problemOf(shop) ?? '', /which environment/);
    answers(fakeCheckout);
    overview({ environments: [fakeEnvironment()], clones: [fakeClone()] });
    await settled();
    assert.equal(follower.problemOf(shop), undefined);
    assert.equal(follower.places().length, 1);
  });

  it('knows which folders have no environment among several: refused, or left without one', async () => {
    const { follower, enter, answers, overview, settled } = world();
    const several = { environments: [fakeEnvironment(), fakeEnvironment({ name: 'billing' })] };
    answers(() => {
      throw fail('environment_unchosen', { path: '/src/shop', known: ['shop', 'billing'] });
    });
    enter({ kind: 'connected', info: fakeInfo });
    await settled();
    assert.equal(follower.lacksEnvironment(shop), false);
    overview(several);
    await settled();
    assert.equal(follower.lacksEnvironment(shop), true);
    const opens = async (changes: object): Promise<boolean> => {
      answers(() => fakeCheckout(changes));
      follower.look();
      await settled();
      return follower.lacksEnvironment(shop);
    };
    assert.equal(await opens({ environment: null }), true);
    assert.equal(await opens({ environment: null, follow: 'off' }), false);
    assert.equal(await opens({ environment: 'shop' }), false);
  });

  it('asks the engine once for changes that come before it is asked, and once more for those that come while it answers', async () => {
    const { follower, opened, enter, answers, settled } = world();
    enter({ kind: 'connected', info: fakeInfo });
    for (let times = 0; times < 5; times++) follower.lookAt(shop);
    await settled();
    assert.equal(opened.length, 1);
    answers(() => {
      for (let times = 0; times < 5; times++) follower.lookAt(shop);
      answers(fakeCheckout);
      return fakeCheckout();
    });
    follower.lookAt(shop);
    await settled();
    assert.equal(opened.length, 3);
  });

  it('passes on what somebody chose', async () => {
    const { follower, opened, remembered } = world();
    await follower.open(shop, { follow: 'automatic', environment: 'shop' });
    assert.deepEqual(opened[0], { folder: '/src/shop', follow: 'automatic', environment: 'shop' });
    assert.deepEqual([...remembered], [shop.key]);
  });

  it('forgets the working tree that the engine forgot', async () => {
    const { follower, model, enter, settled } = world();
    enter({ kind: 'connected', info: fakeInfo });
    await settled();
    model.apply({
      kind: 'checkout.removed',
      id: fakeCheckout().id,
      seq: (model.position?.seq ?? 0) + 1,
    });
    assert.deepEqual(follower.places(), []);
  });
});
