import assert from 'node:assert/strict';
import { compareWithArchive } from '../../../engine/database/postgres/compare/archiveInventory.ts';
import { concludeComparison } from '../../../engine/database/postgres/compare/compareCopy.ts';
import {
  compareInventories,
  differenceOf,
  type Change,
} from '../../../engine/database/postgres/compare/difference.ts';
import type { Inventory, InventoryItem } from '../../../engine/database/postgres/compare/inventory.ts';
import { explainBy, NOT_TOLD, type RuleContext } from '../../../engine/database/postgres/compare/rules.ts';
import { parseArchiveList } from '../../../engine/database/postgres/retrieval/archive.ts';
import { comparisonLines, comparisonText } from '../../../engine/protocol/comparison.ts';
import type { ThinClonesError } from '../../../engine/protocol/errors.ts';

const item = (kind: string, name: string, facts: InventoryItem['facts'] = {}): InventoryItem => ({
  ...{ kind, object: `public.${name}`, schema: 'public', relation: `public.${name}`, name, facts },
});
const inventory = (
  items: readonly InventoryItem[],
  major = 18,
  unread: [string, string][] = [],
): Inventory => ({
  ...{ major, items, unread: new Map(unread) },
});
const nothing: RuleContext = {
  leftOut: { schemas: new Set(), relations: new Set() },
  notes: [],
  valuesAfter: new Map(),
};
const compare = (
  source: readonly InventoryItem[],
  copy: readonly InventoryItem[],
  context: RuleContext = nothing,
  majors: readonly [number, number] = [18, 18],
): readonly (readonly [string, string, string | null])[] =>
  compareInventories(inventory(source, majors[0]), inventory(copy, majors[1])).changes.map((change) => {
    const { object, what, rule } = differenceOf(change, explainBy(context));
    return [object, what, rule];
  });
const entry = (label: string, kind: string) => {
  const [found] = parseArchiveList(`12; 1259 16386 ${kind} ${label}\n`).entries;
  assert.ok(found !== undefined);
  return found;
};

describe('two inventories', () => {
  it('tell what is missing, what is new and what is otherwise, with both values', () => {
    assert.deepEqual(
      compare(
        [item('table', 'a', { owner: 'app' }), item('table', 'b', { owner: 'app', rights: null })],
        [item('table', 'b', { owner: 'engine', rights: null }), item('view', 'c')],
      ),
      [
        ['public.a', 'is missing', null],
        ['public.b', 'owner: engine instead of app', null],
        ['public.c', 'is there in the copy only', null],
      ],
    );
  });

  it('compare columns one by one, only where a table differs', () => {
    const columns = (type: string): InventoryItem =>
      item('column', 't', {
        '*': JSON.stringify({ id: ['integer', true], 'N a': [type, false], x: ['text', false] }),
      });
    assert.deepEqual(compare([columns('text')], [columns('text')]), []);
    assert.deepEqual(compare([columns('text')], [columns('citext')]), [
      ['public.t."N a"', 'type: citext instead of text', null],
    ]);
  });

  it('do not compare what two versions write otherwise, nor a right that one of them has not', () => {
    const view = (definition: string, rights: string): InventoryItem =>
      item('view', 'v', { definition, rights });
    assert.deepEqual(compare([view('a', 'x=arwdDxt/x')], [view('b', 'x=arwdDxtm/x')], nothing, [16, 18]), []);
    assert.equal(compare([view('a', 'x=r/x')], [view('b', 'x=rm/x')]).length, 2);
    assert.equal(compare([view('a', 'x=r/x')], [view('a', 'x=rw/x')], nothing, [16, 18]).length, 1);
  });

  it('say which kinds nobody let them read, and compare the others', () => {
    const compared = compareInventories(
      inventory([item('table', 'a')], 18, [['policy', 'permission denied']]),
      inventory([item('policy', 'p')]),
    );
    assert.equal(compared.changes.length, 1);
    assert.match(compared.problem ?? '', /policy .*permission denied/);
  });

  it('write a hostile name in one line', () => {
    assert.deepEqual(compare([item('table', 'a\n\u001b[31m"')], []), [
      ['public.a\\n\\u001b[31m"', 'is missing', null],
    ]);
  });
});

describe('a difference', () => {
  const leftOut = { schemas: new Set(['audit']), relations: new Set(['public.log']) };
  it('is explained by include and exclude', () => {
    const inSchema = { ...item('table', 'x'), schema: 'audit' };
    const context = { ...nothing, leftOut };
    assert.deepEqual(
      compare([inSchema, item('index', 'log'), item('view', 'v'), item('table', 'lost')], [], context).map(
        ([, , rule]) => rule,
      ),
      [
        'include and exclude leave it out',
        'include and exclude leave it out',
        'it refers to what include and exclude leave out',
        null,
      ],
    );
  });

  it('that every copy has is not told, whatever is left out', () => {
    const settings = ['DateStyle', 'TimeZone'].map((name) => ({
      ...{ kind: 'setting', object: `${name} of the database`, schema: null, relation: null },
      ...{ name, facts: {} },
    }));
    const own = settings.map(({ object }) => [object, 'is there in the copy only', NOT_TOLD]);
    assert.deepEqual(compare([], settings, { ...nothing, leftOut }), own);
    assert.deepEqual(compare([], settings), own);
  });

  it('is explained by what the restore said of that very object', () => {
    const note = { object: 'x', what: 'is missing', problem: 'no such language' };
    const notes = [{ ...note, entry: entry('public My View The Owner', 'VIEW') }];
    const context = { ...nothing, notes };
    assert.deepEqual(
      compare(
        [item('view', 'My View', { owner: 'The Owner' }), item('view', 'My', { owner: 'The Owner' })],
        [],
        context,
      ).map(([, , rule]) => rule),
      ['it could not be restored as it was: no such language', null],
    );
  });

  it('is explained by what the server here refused, and between versions by what each has otherwise', () => {
    const setting = item('setting', 'lc_monetary of the database', { value: 'de_DE.utf8' });
    const table = (options: string): InventoryItem => item('table', 't', { options });
    const rulesOf = (context: RuleContext): (string | null)[] =>
      compare([setting, table('a'), item('table', 'lost')], [table('b')], context).map(([, , rule]) => rule);
    assert.deepEqual(rulesOf(nothing), [null, null, null]);
    const [refused, changed, lost] = rulesOf({
      ...nothing,
      refused: ['A setting was left out.'],
      majors: { source: 14, copy: 18 },
    });
    assert.match(refused ?? '', /A setting was left out/);
    assert.match(changed ?? '', /PostgreSQL 18 .* PostgreSQL 14/);
    assert.equal(lost, null);
  });

  it('of a sequence is explained only by one that moved on while it was read', () => {
    const values = (value: string): InventoryItem[] => [item('sequence value', 's', { value })];
    const after = (value: string): RuleContext => ({
      ...nothing,
      valuesAfter: new Map([['public.s', value]]),
    });
    assert.equal(
      compare(values('10'), values('15'), after('20'))[0]?.[2],
      'the source went on while it was read',
    );
    assert.equal(compare(values('10'), values('15'), after('10'))[0]?.[2], null);
  });
});

describe('the list of an archive', () => {
  it('is compared by names with spaces in them, and by owners', () => {
    const archive = parseArchiveList(
      [
        '5; 2615 16386 SCHEMA - A b The Owner',
        '6; 1259 16387 TABLE A b My Table The Owner',
        '7; 1259 16387 TABLE DATA A b My Table The Owner',
        '8; 2606 16388 FK CONSTRAINT A b My Table to it The Owner',
        '9; 1259 16390 INDEX A b gone The Owner',
      ].join('\n'),
    );
    const inA = (kind: string, name: string, owner?: string): InventoryItem => ({
      ...{ kind, object: name, schema: 'A b', relation: null, name },
      facts: owner === undefined ? {} : { owner },
    });
    const { objects, changes } = compareWithArchive(
      archive,
      inventory([
        inA('schema', 'A b', 'The Owner'),
        inA('table', 'My Table', 'other'),
        inA('constraint', 'My Table to it'),
      ]),
    );
    assert.equal(objects, 4);
    assert.deepEqual(
      changes.map(({ kind, is, fact, source, copy }) => [kind, is, fact, source, copy]),
      [
        ['table', 'changed', 'owner', 'The Owner', 'other'],
        ['index', 'missing', undefined, undefined, undefined],
      ],
    );
  });
});

describe('a comparison that ends', () => {
  const change: Change = { kind: 'table', item: item('table', 'a'), is: 'missing' };
  const compared = { objects: 3, changes: [change], problem: null };
  const lines: string[] = [];
  const warnings: string[] = [];
  const report = {
    line(text: string, level?: string) {
      lines.push(text);
      if (level === 'warning') warnings.push(text);
    },
    progress: () => undefined,
    phase: () => undefined,
  };

  it('fails the refresh for what no rule explains, and names it', () => {
    assert.throws(
      () => concludeComparison(compared, nothing, { report, tolerant: false }),
      (error: ThinClonesError) =>
        error.code === 'verification_failed' && /table public\.a: is missing/.test(error.message),
    );
  });

  it('only tells it where the definition says so, as everything that is explained', () => {
    lines.length = warnings.length = 0;
    const comparison = concludeComparison(compared, nothing, { report, tolerant: true });
    assert.equal(comparisonText(comparison), '1 difference');
    assert.deepEqual(comparisonLines(comparison), ['table public.a: is missing (nothing explains this)']);
    assert.ok(lines.some((line) => line.includes('table public.a: is missing')));
    assert.equal(warnings.length, 1);
    assert.equal(comparisonText({ ...comparison, total: 0 }), 'no differences');
    assert.equal(comparisonLines({ ...comparison, total: 300, problem: 'x' }).length, 3);
  });

  it('warns of nothing that was chosen to be left out', () => {
    lines.length = warnings.length = 0;
    const leftOut = { schemas: new Set<string>(), relations: new Set(['public.a']) };
    const view: Change = { kind: 'view', item: item('view', 'v'), is: 'missing' };
    const chosen = { ...compared, changes: [change, view] };
    concludeComparison(chosen, { ...nothing, leftOut }, { report, tolerant: false });
    assert.equal(lines.filter((line) => /include and exclude leave/.test(line)).length, 2);
    assert.deepEqual(warnings, []);
  });
});
