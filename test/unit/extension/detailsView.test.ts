import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Environment } from '../../../engine/protocol/entities.ts';
import { createModel } from '../../../src/engine/model.ts';
import { noWindow, treeState } from '../../../src/views/treeRows.ts';
import type { Manifest } from '../../../src/views/rowActions.ts';
import { detailsView } from '../../../src/webviews/detailsView.ts';
import { toDetailsSchema } from '../../../webview-ui/details/messages.ts';
import { fakeClone, fakeEnvironment, fakeJob, fakeSnapshot, ids } from '../cli/fakeEngine.ts';

const manifest = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
) as Manifest;
const now = Date.parse('2026-11-21T12:00:00.000Z');

describe('the page of an object', () => {
  const viewOf = (
    row: Parameters<typeof detailsView>[1],
    parts: {
      clone?: object;
      snapshot?: object;
      environment?: Partial<Environment>;
      jobs?: object[];
      isFollowed?: boolean;
    } = {},
  ) => {
    const model = createModel();
    const entities = {
      ...{ hosts: model.hosts, checkouts: model.checkouts },
      environments: new Map([['shop', fakeEnvironment(parts.environment)]]),
      snapshots: new Map([[ids.snapshot, fakeSnapshot({ message: 'a\nb', ...parts.snapshot })]]),
      clones: new Map([[ids.clone, fakeClone(parts.clone)]]),
      jobs: new Map((parts.jobs ?? []).map((job) => [ids.job as string, fakeJob(job)])),
    };
    const view = detailsView(
      treeState(entities, now, noWindow),
      row,
      manifest,
      () => parts.isFollowed === true,
    );
    if (view !== undefined)
      assert.deepEqual(toDetailsSchema.parse({ kind: 'view', view }), { kind: 'view', view });
    return view;
  };
  const clone = { kind: 'clone', key: ids.clone } as const;
  const labels = (view: ReturnType<typeof viewOf>): string[] =>
    (view?.actions ?? []).flatMap(({ actions }) => actions.map(({ label }) => label));

  it('offers what the menu of the row offers, what loses data last, and nothing that shows itself', () => {
    const view = viewOf(clone);
    assert.deepEqual(
      view?.actions.map(({ name }) => name),
      ['Use', 'State', 'Lose data'],
    );
    assert.deepEqual(labels(view).slice(0, 2), ['Open psql', 'Copy Connection URL']);
    assert.ok(labels(view).includes('Stop Clone'));
    assert.equal(labels(view).at(-1), 'Destroy Clone…');
    assert.ok(!labels(view).some((label) => /Details/.test(label)));
    assert.ok(labels(viewOf(clone, { clone: { state: 'stopped' } })).includes('Start Clone'));
  });

  it('offers what depends on the window only where that holds', () => {
    const bind = 'Use Clone for Current Branch…';
    assert.deepEqual(
      [false, true].map((isFollowed) => labels(viewOf(clone, { isFollowed })).includes(bind)),
      [false, true],
    );
  });

  it('says how it stands, its problem, and where it is reached', () => {
    const failed = viewOf(clone, { clone: { state: 'failed', problem: 'Its data is gone.' } });
    assert.deepEqual([failed?.standing, failed?.problem], ['failed', 'Its data is gone.']);
    assert.ok(failed?.facts.every(({ name }) => !['State', 'Problem'].includes(name)));
    const members = viewOf(clone)?.members;
    assert.equal(members?.title, 'Connection');
    assert.deepEqual(
      members.facts[0]?.value.filter(({ code }) => code).map(({ text }) => text),
      ['127.0.0.1:54321/shop', 'clone'],
    );
    const job = { type: 'clone.reset', title: 'Reset clone feature/a', state: 'running', progress: 0.4 };
    assert.match(viewOf(clone, { jobs: [job] })?.standing ?? '', /^Reset clone feature\/a, 40 %/);
  });

  it('is there for snapshots and environments, and not for what is gone', () => {
    const snapshot = viewOf({ kind: 'snapshot', key: ids.snapshot });
    assert.deepEqual([snapshot?.kind, snapshot?.members.title], ['Snapshot', 'Databases']);
    assert.ok(labels(snapshot).includes('Delete Snapshot…'));
    const environment = viewOf({ kind: 'environment', key: 'shop' });
    assert.deepEqual([environment?.kind, environment?.members.title], ['Environment', 'Sources']);
    assert.equal(viewOf({ kind: 'clone', key: 'clone-zzzzzzzzzzzzzzzz' }), undefined);
  });

  it('lists what a snapshot has not as its source had it, below the short word for it', () => {
    const [member] = fakeSnapshot().members;
    const difference = {
      kind: 'constraint',
      object: 'a on public.b',
      what: 'is NOT VALID',
      rule: 'rows violate it',
    };
    const comparison = { objects: 9, total: 1, differences: [difference], problem: null };
    const view = viewOf(
      { kind: 'snapshot', key: ids.snapshot },
      { snapshot: { members: [{ ...member, comparison }] } },
    );
    assert.deepEqual(
      view?.members.facts.map(({ name, value }) => [name, value.map(({ text }) => text).join('')]),
      [
        ['orders', 'PostgreSQL 18, shop, 1 difference from its source'],
        ['orders differs', 'constraint a on public.b: is NOT VALID (rows violate it)'],
      ],
    );
  });
});
