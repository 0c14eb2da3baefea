import assert from 'node:assert/strict';
import { cloneIdSchema } from '../../../engine/protocol/ids.ts';
import type { Entities } from '../../../src/engine/model.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import { rowId, parseRowId, keyOfRow, type RowReference } from '../../../src/views/rowId.ts';
import {
  compareRows,
  rowsUnder,
  noWindow,
  treeState,
  type WindowState,
} from '../../../src/views/treeRows.ts';
import type { Row } from '../../../src/views/row.ts';
import { committedName, keptName } from '../../../src/dialogs/snapshotNames.ts';
import { momentOf } from '../../../src/views/amounts.ts';
import { describeRow } from '../../../src/views/tooltips.ts';
import { fakeCheckout } from '../../support/fakeEngine/fakeCheckout.ts';
import { fakeHost } from '../../support/fakeEngine/scriptedEngine.ts';
import { at, fakeClone, fakeEnvironment, fakeJob, fakeSnapshot, ids } from '../cli/fakeEngine.ts';

const now = Date.parse('2026-11-21T12:30:00.000Z');

interface Parts {
  hosts?: object[];
  environments?: object[];
  snapshots?: object[];
  clones?: object[];
  checkouts?: object[];
  jobs?: object[];
}
function entities({
  hosts = [{}],
  environments = [],
  snapshots = [],
  clones = [],
  checkouts = [],
  jobs = [],
}: Parts): Entities {
  const byKey = <T>(items: T[], key: (item: T) => string): Map<string, T> =>
    new Map(items.map((item) => [key(item), item]));
  return {
    hosts: byKey(hosts.map(fakeHost), ({ name }) => name),
    environments: byKey(environments.map(fakeEnvironment), ({ name }) => name),
    snapshots: byKey(snapshots.map(fakeSnapshot), ({ id }) => id),
    clones: byKey(clones.map(fakeClone), ({ id }) => id),
    checkouts: byKey(checkouts.map(fakeCheckout), ({ id }) => id),
    jobs: byKey(jobs.map(fakeJob), ({ id }) => id),
  };
}

/** The tree as text: icon, label, description, context. */
function draw(parts: Parts, window?: WindowState): string {
  const state = treeState(entities(parts), now, window);
  const lines: string[] = [];
  const walk = (rows: readonly Row[], depth: number): void => {
    for (const row of rows) {
      const icon = row.icon === undefined ? '' : `(${row.icon.id}) `;
      lines.push(
        `${'  '.repeat(depth)}${icon}${row.label} | ${row.description} | ${row.context}${row.faded ? ' | faded' : ''}`,
      );
      walk(rowsUnder(state, row.reference), depth + 1);
    }
  };
  walk(rowsUnder(state, undefined), 0);
  return lines.join('\n');
}

const cloneId = (letter: string) => `clone-${letter.repeat(16)}`;

describe('the rows of the tree', () => {
  it('say of a host how much compression saves, where its storage knows it', () => {
    const tooltip = (storage: object): string => {
      const { storage: usual } = fakeHost();
      const state = treeState(entities({ hosts: [{ storage: { ...usual, ...storage } }] }), now);
      return describeRow(state, { kind: 'host', key: 'local' }) ?? '';
    };
    assert.match(
      tooltip({ compression: 1.854 }),
      /Compression.*1\\?\.85x: data takes that many times less room/,
    );
    assert.doesNotMatch(tooltip({ compression: null }), /Compression/);
  });

  it('are none without an environment, so that the welcome text shows', () => {
    assert.equal(draw({}), '');
  });

  it('show a host with a problem even without an environment', () => {
    assert.equal(
      draw({ hosts: [{ state: 'unusable', problem: 'no space left', storage: null }] }),
      '(warning) local | not usable · no space left | host.unusable',
    );
  });

  it('offer to make clones thin where they are full copies', function () {
    if (process.platform !== 'linux') this.skip();
    const storage = {
      ...{ driver: 'copy', label: 'full copy', thin: false, live: false, path: '/home/me/pool' },
      ...{ totalBytes: 100e9, freeBytes: 64e9 },
    } as const;
    assert.match(
      draw({ environments: [{ latestSnapshot: null }], hosts: [{ storage }] }),
      /local \| full copy · 64 GB free \| host\.ready\.full$/,
    );
  });

  it('name what to do in an environment without a snapshot', () => {
    assert.equal(
      draw({ environments: [{ latestSnapshot: null }] }),
      [
        '(database) shop | no snapshot yet | environment.idle.empty',
        '  (device-camera) No snapshot yet | take the first one | note.noSnapshot',
        '(server) local | btrfs, thin · 64 GB free | host.ready',
      ].join('\n'),
    );
  });

  it('are said in one sentence: the name, how it stands, and what else the tooltip tells', () => {
    const state = treeState(
      entities({
        environments: [{}],
        clones: [
          { name: 'feature-b', branch: 'feature/b', protectedUntil: 'forever' },
          { id: cloneId('e'), name: 'broken', state: 'failed', problem: 'The server ended.' },
        ],
      }),
      now,
    );
    const said = (rows: readonly Row[]): string[] =>
      rows.flatMap((row) => [row.spoken, ...said(rowsUnder(state, row.reference))]);
    assert.deepEqual(said(rowsUnder(state, undefined)), [
      'shop, 2 clones, no snapshot yet',
      'Clones of shop, 2 clones',
      'broken, failed: The server ended, 2 h ago, 400 kB own',
      'feature/b, protected, ready, 2 h ago, 400 kB own, clone feature-b',
      'Snapshots of shop, no snapshots',
      'Host local, btrfs, thin, 64 GB free',
    ]);
  });

  it('show clones and snapshots with state, age, size, branch and protection', () => {
    assert.equal(
      draw({
        environments: [{}],
        snapshots: [{ clones: [ids.clone] }],
        clones: [
          { branch: 'feature/b' },
          {
            id: cloneId('e'),
            name: 'guarded',
            createdAt: '2026-11-21T09:00:00.000Z',
            protectedUntil: 'forever',
            bytes: { unshared: 91_000_000, logical: 842_000_000 },
          },
          { id: cloneId('f'), name: 'broken', createdAt: '2026-11-18T09:00:00.000Z', state: 'failed' },
        ],
      }),
      [
        '(database) shop | 3 clones · data of 2 h ago | environment.idle.filled',
        '  Clones | 3 | clones',
        '    (circle-filled) feature/b | ready · 2 h ago · 400 kB own | clone.ready.bound',
        '    (lock) guarded | protected · ready · 3 h ago · 91 MB own | clone.ready.protected',
        '    (error) broken | failed · 3 days ago · 400 kB own | clone.failed',
        '  Snapshots | 1 | snapshots',
        '    (device-camera) nightly | latest · 2 h ago · 842 MB · 1 clone | snapshot.ready.used',
        '(server) local | btrfs, thin · 64 GB free | host.ready',
      ].join('\n'),
    );
  });

  it('mark the clone that this window uses, and how its migrations stand', () => {
    const window: WindowState = {
      ...noWindow,
      current: new Set([ids.clone]),
      migrations: new Map([[ids.clone, 'migrations: 2 pending']]),
    };
    assert.equal(
      draw({ environments: [{}], snapshots: [{}], clones: [{ branch: 'feature/b' }] }, window).split('\n')[2],
      '    (pass-filled) feature/b | migrations: 2 pending · current · ready · 2 h ago · 400 kB own | clone.ready.bound.current',
    );
  });

  it('tell what was made of clones apart from refreshes, by its message, and put the latest first', () => {
    const snapshot = (letter: string, minute: number, changes: object) => ({
      id: `snapshot-${letter.repeat(16)}`,
      name: `name-${letter}`,
      createdAt: `2026-11-21T12:0${minute}:00.000Z`,
      dataStateAt: null,
      ...changes,
    });
    const latest = snapshot('b', 1, {});
    const tree = draw({
      environments: [{ latestSnapshot: latest.id }],
      snapshots: [
        latest,
        snapshot('c', 2, { state: 'creating' }),
        snapshot('d', 3, { origin: 'commit', message: 'orders migrated\nin two steps' }),
        snapshot('e', 4, { origin: 'kept', message: 'Before the reset of feature/a' }),
      ],
    }).split('\n');
    assert.deepEqual(
      tree.slice(3, 9).map((line) => line.replace(/ \| [^|]*$/, '')),
      [
        '  Snapshots | 2',
        '    (device-camera) name-b | latest · 29 min ago · 842 MB',
        '    (loading~spin) name-c | creating… · 28 min ago · 842 MB',
        '  Committed and kept | 2',
        '    (git-commit) Before the reset of feature/a | kept at a reset · 26 min ago · 842 MB · name-e',
        '    (git-commit) orders migrated | committed · 27 min ago · 842 MB · name-d',
      ],
    );
  });

  it('propose names of snapshots that are names, and free', () => {
    assert.equal(committedName('Orders: new schema!', 'feature/a', []), 'orders-new-schema');
    assert.equal(committedName('Orders, new schema', 'a', ['orders-new-schema']), 'orders-new-schema-2');
    assert.equal(committedName('!!!', 'feature/a', []), 'feature-a-commit');
    // The escapes of branch names are in names of clones, and in no name of a snapshot.
    assert.equal(keptName('feature/a%20b', []), 'feature-a-20b-before-reset');
    assert.equal(keptName('a', ['a-before-reset']), 'a-before-reset-2');
  });

  it('put the clone of this window first, and what is wrong with a clone', () => {
    const problem = 'The server ended with signal SIGKILL.';
    const tree = draw(
      {
        environments: [{}],
        snapshots: [{}],
        clones: [
          {
            id: cloneId('e'),
            name: 'newer',
            createdAt: '2026-11-21T12:00:00.000Z',
            state: 'failed',
            problem,
          },
          {},
        ],
      },
      { ...noWindow, current: new Set([ids.clone]) },
    ).split('\n');
    assert.match(tree[2] ?? '', /feature\/a \| current · ready/);
    assert.match(tree[3] ?? '', /newer \| failed: The server ended with signal SIGKILL · 30 min ago/);
  });

  it('say that the engine is away, and vouch for nothing that was known before', () => {
    const parts: Parts = {
      hosts: [{}],
      environments: [{}],
      snapshots: [{}],
      clones: [{ branch: 'feature/b' }, { id: cloneId('c'), name: 'c', state: 'resetting' }],
      jobs: [{ object: { kind: 'clone', id: cloneId('c'), name: 'c' } }],
    };
    const lines = draw(parts, { ...noWindow, current: new Set([ids.clone]), engine: 'stopped' }).split('\n');
    assert.equal(
      lines[0],
      '(debug-disconnect) The engine is stopped | start it: stable ports lead nowhere | note.engine.stopped',
    );
    assert.ok(lines.some((line) => line.includes('feature/b | current, port closed · was ready · 2 h ago')));
    assert.ok(lines.some((line) => line.includes('c | was resetting')));
    for (const line of lines.slice(1)) assert.match(line, /\| faded$/);
    assert.match(lines.join('\n'), / Clones \| 2 \| clones .*\n.* Snapshots \| 1 \| snapshots /s);
    const empty = draw({ environments: [{}], snapshots: [{}] }, { ...noWindow, engine: 'stopped' });
    assert.match(empty, /No clones yet .*\| note\.noClone \| faded/);
    const bare = draw({ environments: [{ latestSnapshot: null }] }, { ...noWindow, engine: 'stopped' });
    assert.match(bare, /No snapshot yet .*\| note\.noSnapshot \| faded/);
    assert.doesNotMatch(lines.join('\n'), /spin/);
    assert.match(draw(parts, { ...noWindow, engine: 'failed' }), /^\(error\) The engine did not start/);
    assert.doesNotMatch(draw(parts), /engine/);
  });

  it('ask for the environment of a folder that has none among several', () => {
    const parts: Parts = { environments: [{}, { name: 'billing' }], snapshots: [{}] };
    const window: WindowState = { ...noWindow, unchosen: ['web'] };
    assert.equal(
      draw(parts, window).split('\n')[0],
      '(question) Which environment? | for web: its branches have no database | note.unchosen',
    );
    assert.doesNotMatch(draw(parts, { ...window, engine: 'stopped' }), /Which environment/);
    assert.match(
      draw(parts, { ...window, unchosen: ['web', 'api'] }),
      /^\(question\) Which environment\? \| for 2 folders: /,
    );
  });

  it('tell one branch name of two repositories apart', () => {
    const bound = (letter: string, repository: string) => ({
      id: cloneId(letter),
      name: letter,
      branch: 'main',
      repository,
    });
    const tree = draw({
      environments: [{}],
      snapshots: [{}],
      clones: [bound('e', '/src/shop/.git'), bound('f', '/src/billing/.git')],
    });
    assert.match(tree, /main \| ready · shop · 2 h ago/);
    assert.match(tree, /main \| ready · billing · 2 h ago/);
  });

  it('name in the tooltip of a clone its branch, its repository and where it is used', () => {
    const parts = {
      environments: [{}],
      snapshots: [{}],
      clones: [{ branch: 'feature/b', repository: '/src/shop/.git' }],
      checkouts: [{ clone: ids.clone, path: '/src/shop' }],
    };
    const text = describeRow(treeState(entities(parts), now), { kind: 'clone', key: ids.clone });
    assert.match(text ?? '', /### feature\/a/);
    assert.match(text ?? '', /\*\*Branch:\*\* `feature\/b`/);
    assert.match(text ?? '', /\*\*Used in:\*\* `\/src\/shop`/);
  });

  it('say of a clone that the engine brings up that it is starting', () => {
    const [member] = fakeClone({}).members;
    const clone = { state: 'stopped', members: [{ ...member, state: 'starting' }] };
    assert.match(
      draw({ environments: [{}], snapshots: [{}], clones: [clone] }),
      /\(loading~spin\) feature\/a \| starting… · .*\| clone\.stopped\.busy/,
    );
  });

  it('say who stopped a clone, and that it is being started or stopped', () => {
    const drawn = (clone: object, jobs: object[] = []): string =>
      draw({ environments: [{}], snapshots: [{}], clones: [clone], jobs });
    const stopped = { state: 'stopped', stoppedBy: 'anna' };
    assert.match(drawn(stopped), /\(circle-outline\) feature\/a \| stopped by anna · .*\| clone\.stopped$/m);
    assert.match(drawn({ ...stopped, state: 'stopping' }), /loading~spin\) feature\/a \| stopping… · /);
    assert.match(drawn(stopped, [{ type: 'clone.start', progress: 0 }]), /feature\/a \| starting… · /);
  });

  it('show how far a running job is in the row of its object, and that it can be canceled', () => {
    assert.equal(
      draw({
        environments: [{}],
        snapshots: [{}],
        clones: [{ state: 'resetting' }],
        jobs: [{ type: 'clone.reset', progress: 0.404 }],
      }).split('\n')[2],
      '    (loading~spin) feature/a | resetting… 40 % · 2 h ago · 400 kB own | clone.resetting.busy.cancellable',
    );
    assert.equal(
      draw({
        environments: [{ latestSnapshot: null }],
        // As the engine makes it: a refresh is about the snapshot that is not there yet.
        snapshots: [{ state: 'creating' }],
        jobs: [
          {
            type: 'environment.refresh',
            progress: 0.12,
            object: { kind: 'snapshot', id: ids.snapshot, name: 'nightly' },
            tasks: [
              {
                name: 'Retrieve',
                state: 'running',
                progress: 0.1,
                phase: 'dumping',
                startedAt: at,
                endedAt: null,
              },
            ],
          },
        ],
      })
        .split('\n')
        .slice(0, 2)
        .join('\n'),
      [
        '(loading~spin) shop | refreshing… 12 % · dumping | environment.busy.empty.cancellable',
        '  (loading~spin) Taking the first snapshot… | show its log | note.refreshing',
      ].join('\n'),
    );
  });

  describe('after a failed refresh', () => {
    const refresh = (minute: number, changes: object) => ({
      id: `job-${'abcdefghij'.charAt(minute).repeat(16)}`,
      type: 'environment.refresh',
      createdAt: `2026-11-21T11:0${minute}:00.000Z`,
      state: 'failed',
      object: { kind: 'snapshot', id: ids.snapshot, name: 'nightly' },
      error: fail('source_lost', { host: 'db', problem: 'reset' }).document,
      ...changes,
    });
    const environmentRow = (jobs: object[], environment: object = {}): string | undefined =>
      draw({ environments: [environment], snapshots: [{}], clones: [{}], jobs }).split('\n')[0];

    it('keep the reason in the row of the environment, first, with a way to try again', () => {
      const failed = refresh(1, {});
      assert.equal(
        environmentRow([failed]),
        '(warning) shop | refresh failed: The connection to db was lost during the dump: reset · 1 clone · data of 2 h ago | environment.idle.filled.failed',
      );
      const parts = { environments: [{}], jobs: [failed] };
      assert.match(
        describeRow(treeState(entities(parts), now), { kind: 'environment', key: 'shop' }) ?? '',
        /\*\*Last refresh:\*\* failed .* was lost during the dump.*refresh again/,
      );
      // Canceling the next try mends nothing.
      assert.match(environmentRow([failed, refresh(2, { state: 'cancelled' })]) ?? '', /failed: The conn/);
      assert.equal(
        draw({ environments: [{ latestSnapshot: null }], jobs: [failed] }).split('\n')[1],
        '  (device-camera) No snapshot yet | try again to take the first one | note.noSnapshot',
      );
    });

    it('forget it with the next one that succeeds, while one runs, and with the environment', () => {
      const failed = refresh(1, {});
      const good = '(database) shop | 1 clone · data of 2 h ago | environment.idle.filled';
      assert.equal(environmentRow([failed, refresh(2, { state: 'succeeded', error: null })]), good);
      assert.equal(environmentRow([refresh(1, { state: 'cancelled' })]), good);
      assert.equal(environmentRow([failed], { createdAt: '2026-11-21T11:30:00.000Z' }), good);
      assert.match(
        environmentRow([failed, refresh(2, { state: 'running', error: null })]) ?? '',
        /^\(loading~spin\) shop \| refreshing…/,
      );
    });

    it('do what the rows say that say what is missing', () => {
      const commandOf = (parts: Parts, parent: RowReference) =>
        rowsUnder(treeState(entities(parts), now), parent)[0]?.command;
      assert.deepEqual(commandOf({ environments: [{}] }, { kind: 'environment', key: 'shop' }), {
        id: 'thinClones.environment.refresh',
        subject: [{ kind: 'note', key: 'noSnapshot/shop' }],
      });
      assert.deepEqual(commandOf({ environments: [{}], snapshots: [{}] }, { kind: 'clones', key: 'shop' }), {
        id: 'thinClones.clone.create',
        subject: [{ kind: 'note', key: 'noClone/shop' }],
      });
    });
  });

  it('fade what is on a host out of reach, and drop none of it', () => {
    const tree = draw({
      hosts: [{ state: 'unreachable', problem: 'timed out' }],
      environments: [{}],
      snapshots: [{}],
      clones: [{}],
    });
    assert.equal(
      tree,
      [
        '(database) shop | host out of reach · 1 clone · data of 2 h ago | environment.idle.filled | faded',
        '  Clones | 1 | clones | faded',
        '    (circle-filled) feature/a | out of reach · 2 h ago · 400 kB own | clone.ready | faded',
        '  Snapshots | 1 | snapshots | faded',
        '    (device-camera) nightly | latest · 2 h ago · 842 MB | snapshot.ready.unused | faded',
        '(debug-disconnect) local | out of reach · timed out | host.unreachable | faded',
      ].join('\n'),
    );
  });

  const since = '2026-11-21T12:05:00.000Z';
  const remote = (changes: object = {}) => ({
    ...{ name: 'big', kind: 'ssh', address: 'ssh://me@big', roundTripMs: 30.4, version: '0.1.0' },
    ...changes,
  });
  const onBoth = (host: object, clone: object = {}): Parts => ({
    hosts: [remote(host), {}],
    environments: [{}, { name: 'big/shop', definition: { ...fakeEnvironment().definition, host: 'big' } }],
    snapshots: [{}],
    clones: [{ ...{ environment: 'big/shop', id: cloneId('e'), name: 'far' }, ...clone }],
  });

  it('have a level for hosts where there are several, this machine first', () => {
    assert.equal(
      draw(onBoth({})),
      [
        '(server) local | btrfs, thin · 64 GB free | host.ready',
        '  (database) shop | data of 2 h ago | environment.idle.filled',
        '    Clones | 0 | clones',
        '      (add) No clones yet | create one | note.noClone',
        '    Snapshots | 1 | snapshots',
        '      (device-camera) nightly | latest · 2 h ago · 842 MB | snapshot.ready.unused',
        '(remote) big | 1 clone · btrfs, thin · 64 GB free · 30 ms | host.ready.remote',
        '  (database) shop | 1 clone · data of 2 h ago | environment.idle.filled',
        '    Clones | 1 | clones',
        '      (circle-filled) far | ready · 2 h ago · 400 kB own | clone.ready',
        '    Snapshots | 0 | snapshots',
      ].join('\n'),
    );
  });

  it('offer to add an environment to a host that has none', () => {
    assert.equal(
      draw({ hosts: [{}, remote()] }),
      [
        '(server) local | btrfs, thin · 64 GB free | host.ready',
        '  (add) No environments yet | add one | note.noEnvironment',
        '(remote) big | btrfs, thin · 64 GB free · 30 ms | host.ready.remote',
        '  (add) No environments yet | add one | note.noEnvironment',
      ].join('\n'),
    );
  });

  it('keep what another machine holds while it is out of reach, say since when, and offer nothing that it would have to do', () => {
    const job = { environment: 'big/shop', object: { kind: 'clone', id: cloneId('e'), name: 'far' } };
    const away = {
      state: 'unreachable',
      problem: "Host big can't be reached: refused",
      unreachableSince: since,
    };
    const parts = { ...onBoth(away, { state: 'resetting' }), jobs: [{ ...job, state: 'running' }] };
    assert.deepEqual(draw(parts).split('\n').slice(6), [
      `(debug-disconnect) big | out of reach since ${momentOf(since, now)} · refused | host.unreachable.remote | faded`,
      '  (database) shop | 1 clone · data of 2 h ago | environment.away | faded',
      '    Clones | 1 | clones.away | faded',
      '      (circle-outline) far | out of reach, was resetting · 2 h ago · 400 kB own | clone.away | faded',
      '    Snapshots | 0 | snapshots.away | faded',
    ]);
    assert.equal(
      draw({ ...parts, clones: [] })
        .split('\n')
        .at(-1),
      '    (device-camera) No snapshot yet |  | note.away | faded',
    );
  });

  it('tell of a host how much it holds and how far away it is, and trust none of its texts', () => {
    const parts = onBoth({
      problem: 'a\n\n[x](command:evil)',
      storage: { ...fakeHost().storage, path: '/a`\n\n[b](c)' },
    });
    const text = describeRow(treeState(entities(parts), now), { kind: 'host', key: 'big' }) ?? '';
    for (const line of [
      '### big',
      '**Kind:** another machine, by ssh  ',
      '**Problem:** a \\[x\\]\\(command:evil\\)  ',
      '**Address:** `ssh://me@big`  ',
      '**Engine:** 0\\.1\\.0  ',
      '**Round trip:** 30\\.4 ms  ',
      '**Environments:** 1, 842 MB of data  ',
      '**Snapshots:** 0  ',
      '**Clones:** 1, 400 kB of their own  ',
      "**Path:** `/a' [b](c)`  ",
    ])
      assert.ok(text.split('\n').includes(line), `${line} in:\n${text}`);
  });

  it('say a full copy for what it is', () => {
    const storage = {
      driver: 'copy',
      label: 'full copy, 3.1 GB each',
      thin: false,
      path: '/x',
      totalBytes: 10,
      freeBytes: 0,
    };
    assert.match(
      draw({ hosts: [{ storage }], environments: [{}] }),
      /local \| full copy, 3\.1 GB each · 0 B free/,
    );
  });

  it('have ids that survive any change of state', () => {
    const row = (changes: object) => {
      const parts = { environments: [{}], snapshots: [{}], clones: [changes] };
      return rowsUnder(treeState(entities(parts), now), { kind: 'clones', key: 'shop' })[0];
    };
    assert.equal(row({})?.id, row({ name: 'renamed', state: 'failed', protectedUntil: 'forever' })?.id);
    assert.deepEqual(parseRowId(rowId({ kind: 'environment', key: 'a:b/c' })), {
      kind: 'environment',
      key: 'a:b/c',
    });
    assert.equal(keyOfRow({ kind: 'clone', key: 'x' }, 'environment'), undefined);
    assert.equal(keyOfRow('clone:x', 'clone'), undefined);
  });

  it('escape names in the tooltip, so that a name is never a link or an icon', () => {
    const parts = {
      environments: [{}],
      snapshots: [{ message: '[x](command:evil) $(zap) <b>' }],
      clones: [{}],
    };
    const text = describeRow(treeState(entities(parts), now), { kind: 'snapshot', key: ids.snapshot });
    assert.ok(text?.includes('\\[x\\]\\(command:evil\\) \\$\\(zap\\) \\<b\\>'), text);
  });

  describe('when something changes', () => {
    const parts = (state: string): Parts => ({
      environments: [{}],
      snapshots: [{}],
      clones: [{ state }, { id: cloneId('e'), name: 'other' }],
    });
    const shownOf = (given: Parts): Map<string, readonly Row[]> => {
      const state = treeState(entities(given), now);
      const shown = new Map<string, readonly Row[]>();
      const walk = (id: string): void => {
        const rows = rowsUnder(state, id === '' ? undefined : parseRowId(id));
        shown.set(id, rows);
        for (const row of rows) if (row.children !== 'none') walk(row.id);
      };
      walk('');
      return shown;
    };
    const compare = (before: Parts, after: Parts) => {
      const state = treeState(entities(after), now);
      return compareRows(shownOf(before), (id) => rowsUnder(state, id === '' ? undefined : parseRowId(id)))
        .change;
    };

    it('draw one row again when only that one changed', () => {
      assert.deepEqual(compare(parts('ready'), parts('resetting')), [`clone:${ids.clone}`]);
    });
    it('draw nothing again when nothing changed', () => {
      assert.deepEqual(compare(parts('ready'), parts('ready')), []);
    });
    it('draw the group again when a clone is gone, and the rows whose counts changed', () => {
      const after = { ...parts('ready'), clones: [{}] };
      assert.deepEqual(compare(parts('ready'), after), ['clones:shop', 'environment:shop']);
    });
    it('draw everything again when an environment is gone', () => {
      assert.equal(compare(parts('ready'), {}), 'everything');
    });
  });

  it('are made and compared for 500 clones, and tell how long that takes', () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    const clones = Array.from({ length: 500 }, (_, index) => ({
      id: cloneIdSchema.parse(
        `clone-${letters[Math.floor(index / 26)] ?? ''}${letters[index % 26] ?? ''}${'a'.repeat(14)}`,
      ),
      name: `clone-${index}`,
    }));
    const given = entities({ environments: [{}], snapshots: [{}], clones });
    const started = performance.now();
    const state = treeState(given, now);
    const rows = rowsUnder(state, { kind: 'clones', key: 'shop' });
    const shown = new Map<string, readonly Row[]>([['', rows]]);
    compareRows(shown, () => rowsUnder(treeState(given, now), { kind: 'clones', key: 'shop' }));
    const ms = performance.now() - started;
    assert.equal(rows.length, 500);
    console.log(`      ${ms.toFixed(1)} ms`);
  });
});
