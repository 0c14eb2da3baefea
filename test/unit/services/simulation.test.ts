import assert from 'node:assert/strict';
import type { Job } from '../../../engine/protocol/entities.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import type { SnapshotId } from '../../../engine/protocol/ids.ts';
import type { Services } from '../../../engine/services/services.ts';
import {
  caller,
  cloneName,
  openMemoryEngine,
  ref,
  snapshotName,
  type MemoryEngine,
} from '../../support/memoryEngine.ts';

/** A run is one seed. More runs: THIN_CLONES_SIMULATIONS=300; a failing one again: THIN_CLONES_SEED=17. */
const runs = Number(process.env['THIN_CLONES_SIMULATIONS'] ?? 30);
const onlySeed = process.env['THIN_CLONES_SEED'];
const operationsPerRun = 60;

type Request = (services: Services) => Job | Promise<Job>;

/** What must be true of data, whoever was killed meanwhile. */
interface Model {
  /** By clone id: the texts that it may hold. */
  clones: Map<string, Set<string>>;
  /** By snapshot id: the text that it has for ever. */
  snapshots: Map<SnapshotId, string>;
  /** Clones and snapshots that somebody asked to remove. */
  doomed: Set<string>;
  /** Beginnings of branches: they go with their last clone. */
  branchStarts: Set<SnapshotId>;
}

const repository = '/work/shop/.git';
const password = 'one for all';
const branches = ['main', 'feature/a', 'feature-a'] as const;

async function simulate(seed: number): Promise<void> {
  const live = seed % 3 !== 0;
  const engine = await openMemoryEngine({ seed, ports: 16, capabilities: { live } });
  const { random } = engine;
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <Item>(items: readonly Item[]): Item | undefined => items[below(items.length)];
  const model: Model = {
    clones: new Map(),
    snapshots: new Map(),
    doomed: new Set(),
    branchStarts: new Set(),
  };
  const story: string[] = [];
  const members = seed % 2 === 0 ? ['orders'] : ['orders', 'users'];
  let version = 0;
  let names = 0;

  const declare = (): void => {
    version += 1;
    engine.declare('shop', Object.fromEntries(members.map((member) => [member, `source ${version}`])));
  };

  /** One request, with what it allows to happen noted first. */
  const draw = (): { text: string; request: Request } | undefined => {
    const clones = engine.store.clones.list();
    const clone = pick(clones);
    // Only those whose text is known: others are being made in this very moment.
    const snapshot = pick(engine.store.snapshots.list().filter(({ id }) => model.snapshots.has(id)));
    switch (below(clones.length > 4 ? 14 : 17)) {
      case 0:
        return {
          text: 'refresh',
          request: ({ environments }) => environments.refresh(ref('shop'), {}, caller),
        };
      case 1: {
        if (snapshot === undefined) return undefined;
        model.doomed.add(snapshot.id);
        return {
          text: `delete ${snapshot.name}`,
          request: ({ environments }) => environments.deleteSnapshot(ref(snapshot.id), caller),
        };
      }
      case 2:
      case 3: {
        if (clone === undefined) return undefined;
        const target = random() < 0.5 ? snapshot : undefined;
        const text = model.snapshots.get(target?.id ?? clone.snapshot);
        if (text !== undefined) model.clones.get(clone.id)?.add(text);
        const keepAs = random() < 0.3 ? snapshotName(`kept-${++names}`) : undefined;
        const request = { snapshot: target && ref(target.id), keepAs };
        return {
          text: `reset ${clone.name} to ${target?.name ?? 'the same'} keeping ${keepAs ?? 'nothing'}`,
          request: ({ clones: use }) => use.reset(ref(clone.id), request, caller),
        };
      }
      case 4:
        if (clone === undefined) return undefined;
        model.doomed.add(clone.id);
        return {
          text: `destroy ${clone.name}`,
          request: ({ clones: use }) => use.destroy(ref(clone.id), caller),
        };
      case 5:
        if (clone === undefined) return undefined;
        return {
          text: `commit ${clone.name}`,
          request: ({ clones: use }) => use.commit(ref(clone.id), { message: 'm' }, caller),
        };
      case 6:
      case 7:
        if (clone === undefined) return undefined;
        return {
          text: `start ${clone.name}`,
          request: ({ clones: use }) => use.start(ref(clone.id), caller),
        };
      case 8:
        if (clone === undefined) return undefined;
        return {
          text: `keep ${clone.name} for a branch to begin with`,
          request: ({ clones: use }) => use.commit(ref(clone.id), { message: 'm', origin: 'branch' }, caller),
        };
      case 9: {
        const branch = pick(branches);
        if (clone === undefined || branch === undefined) return undefined;
        return {
          text: `bind ${clone.name} to ${branch}`,
          request: ({ clones: use }) => use.bind(ref(clone.id), { repository, branch }, password, caller),
        };
      }
      case 10:
        if (clone === undefined) return undefined;
        return {
          text: `unbind ${clone.name}`,
          request: ({ clones: use }) => use.bind(ref(clone.id), null, undefined, caller),
        };
      case 11:
        if (clone === undefined) return undefined;
        return {
          text: `stop ${clone.name}`,
          request: ({ clones: use }) => use.stop(ref(clone.id), caller),
        };
      case 12: {
        if (clone === undefined) return undefined;
        const name = cloneName(`clone-${random() < 0.2 ? names : ++names}`);
        return {
          text: `rename ${clone.name} to ${name}`,
          request: ({ clones: use }) => use.rename(ref(clone.id), name, caller),
        };
      }
      case 13: {
        if (snapshot === undefined) return undefined;
        const name = snapshotName(`named-${random() < 0.2 ? names : ++names}`);
        return {
          text: `rename ${snapshot.name} to ${name}`,
          request: ({ environments }) =>
            environments.editSnapshot(ref(snapshot.id), { name, message: name }, caller),
        };
      }
      case 14:
      case 15: {
        const branch = pick(branches);
        if (branch === undefined) return undefined;
        const name = cloneName(`clone-${++names}`);
        const branchStart = pick(
          engine.store.snapshots
            .list()
            .filter(({ origin, id }) => origin === 'branch' && model.snapshots.has(id)),
        );
        const from = random() < 0.7 ? branchStart : undefined;
        return {
          text: `create ${name} for ${branch} from ${from?.name ?? 'the latest'}`,
          request: ({ clones: use }) =>
            use.create(
              {
                ...{ environment: ref('shop'), name },
                ...(from === undefined ? {} : { snapshot: ref(from.id) }),
                binding: { repository, branch },
                password,
              },
              caller,
            ),
        };
      }
      default: {
        const name = cloneName(`clone-${random() < 0.2 ? names : ++names}`);
        return {
          text: `create ${name}`,
          request: ({ clones: use }) => use.create({ environment: ref('shop'), name }, caller),
        };
      }
    }
  };

  const compare = async (): Promise<void> => {
    assert.deepEqual(await engine.violations(), []);
    const { clones, snapshots } = engine.store;
    for (const id of model.clones.keys())
      assert.ok(clones.list().some((each) => each.id === id) || model.doomed.has(id), `clone ${id} is lost`);
    for (const id of model.snapshots.keys())
      assert.ok(
        snapshots.get(id) !== undefined || model.doomed.has(id) || model.branchStarts.has(id),
        `snapshot ${id} is lost`,
      );
    model.doomed.clear();
    for (const { id, origin } of snapshots.list()) if (origin === 'branch') model.branchStarts.add(id);
    for (const [kind, rows] of [
      ['clones', clones.list()],
      ['snapshots', snapshots.list()],
    ] as const)
      assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length, `two ${kind} of one name`);
    const bound = clones.list().filter(({ branch }) => branch !== null);
    assert.equal(new Set(bound.map(({ branch }) => branch)).size, bound.length, 'two clones of one branch');
    for (const { id, name } of bound)
      for (const login of engine.life().services.clones.connection(ref(id)))
        assert.equal(login.password, password, `the password of ${name}`);
    const textOf = async (
      of: readonly { dataset: Parameters<typeof engine.storage.path>[0] }[],
    ): Promise<string> => {
      const texts = await Promise.all(
        of.map(({ dataset }) => engine.database.readText(engine.storage.path(dataset))),
      );
      assert.equal(new Set(texts).size, 1, `members of different moments: ${texts.join(' | ')}`);
      return texts[0] ?? '';
    };
    const known = new Map<SnapshotId, string>();
    for (const { id, members: of, name } of snapshots.list()) {
      const text = await textOf(of);
      assert.equal(model.snapshots.get(id) ?? text, text, `snapshot ${name} changed`);
      known.set(id, text);
    }
    const now = new Map<string, Set<string>>();
    for (const clone of clones.list()) {
      const text = await textOf(clone.members);
      const allowed = model.clones.get(clone.id) ?? new Set([known.get(clone.snapshot) ?? '']);
      assert.ok(
        allowed.has(text),
        `clone ${clone.name} holds ${text}, not one of ${[...allowed].join(' | ')}`,
      );
      now.set(clone.id, new Set([text]));
    }
    Object.assign(model, { snapshots: known, clones: now });
  };

  try {
    declare();
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    for (let done = 0; done < operationsPerRun;) {
      if (random() < 0.1) declare();
      const life = engine.life();
      const fault = random();
      const strike =
        fault < 0.35
          ? {
              nth: 1 + below(40),
              how: fault < 0.2 ? ('kill' as const) : ('fail' as const),
              when: random() < 0.5 ? ('before' as const) : ('after' as const),
            }
          : undefined;
      life.gate.strike = strike;
      story.push(strike === undefined ? 'no fault' : `${strike.how} ${strike.when} call ${strike.nth}`);
      const batch = 1 + below(4);
      done += batch;
      for (let index = 0; index < batch && !life.gate.dead; index++) {
        const drawn = draw();
        if (drawn === undefined) continue;
        story.push(drawn.text);
        try {
          await Promise.race([drawn.request(life.services), life.gate.killed]);
        } catch (error) {
          if (!isFailure(error) && !life.gate.isDead()) throw error;
        }
        // Sometimes the next request comes in the middle of this one's job.
        if (random() < 0.5) await life.quiet();
      }
      await life.quiet();
      const struck = strike !== undefined && !life.gate.armed();
      life.gate.strike = undefined;
      if (struck || random() < 0.05) {
        const reboot = random() < 0.4;
        const again =
          random() < 0.3 ? { nth: 1 + below(15), how: 'kill' as const, when: 'after' as const } : undefined;
        story.push(
          `restart${reboot ? ' of the machine' : ''}${again === undefined ? '' : `, killed at ${again.nth}`}`,
        );
        let next = await engine.restart({ reboot, ...(again === undefined ? {} : { strike: again }) });
        if (next.gate.dead) next = await engine.restart();
        next.gate.strike = undefined;
      }
      for (const { id, state } of engine.store.clones.list()) {
        if (state !== 'failed') continue;
        assert.ok(model.doomed.has(id), `clone ${id} failed, and nobody asked for its end`);
        await engine.done(({ clones }) => clones.destroy(ref(id), caller));
      }
      await compare();
      await disturb(engine, pick, (text) => story.push(text), model);
    }
    const called = (): unknown =>
      [...engine.store.clones.list(), ...engine.store.snapshots.list()]
        .map(({ id, name }) => [id, name])
        .sort();
    const before = called();
    await engine.restart({ loseState: true });
    story.push('the state was lost');
    await compare();
    assert.deepEqual(called(), before);
  } catch (error) {
    throw new Error(`seed ${seed} (THIN_CLONES_SEED=${seed}): ${String(error)}\n  ${story.join('\n  ')}`, {
      cause: error,
    });
  } finally {
    await engine.close();
  }
}

/** People write into their clones, and servers die. */
async function disturb(
  engine: MemoryEngine,
  pick: <Item>(items: readonly Item[]) => Item | undefined,
  tell: (text: string) => void,
  model: Model,
): Promise<void> {
  const clone = pick(engine.store.clones.list());
  if (clone === undefined) return;
  if (engine.random() < 0.6) {
    const text = `written ${engine.clock.monotonic()}`;
    await engine.write(clone.name, text);
    model.clones.set(clone.id, new Set([text]));
    tell(`write ${clone.name}`);
  } else if (engine.random() < 0.4) {
    engine.runtime.crash(pick(clone.members)?.dataset ?? '');
    tell(`a server of ${clone.name} dies`);
    await engine.clock.advance(1000);
  }
}

describe(`a simulated week of ${operationsPerRun} operations with faults, kills and reboots`, () => {
  const seeds =
    onlySeed === undefined ? Array.from({ length: runs }, (_, index) => index + 1) : [Number(onlySeed)];
  it(`loses nothing and leaves nothing, in ${seeds.length} runs (seeds ${seeds[0] ?? 0} to ${seeds.at(-1) ?? 0})`, async function () {
    this.timeout(600_000);
    for (const seed of seeds) await simulate(seed);
  });
});
