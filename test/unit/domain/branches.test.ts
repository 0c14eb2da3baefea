import assert from 'node:assert/strict';
import {
  cloneNameOf,
  decide,
  matches,
  patternProblem,
  type DecisionInput,
} from '../../../engine/domain/branches.ts';
import { cloneNameSchema } from '../../../engine/protocol/ids.ts';
import { namePattern } from '../../../engine/protocol/names.ts';
import { branchPatternSchema } from '../../../engine/protocol/workspace.ts';
import { chooseSeed, seeded } from '../../support/seeds.ts';

/** Runs with names made by chance; the seed of a failing one is told. */
function withChance(times: number, check: (random: () => number) => void): void {
  const seed = chooseSeed();
  const random = seeded(seed);
  for (let time = 0; time < times; time++) {
    try {
      check(random);
    } catch (error) {
      throw new Error(`THIN_CLONES_SEED=${seed}, name ${time + 1}`, { cause: error });
    }
  }
}

/** The parts that are hard to keep apart, and any character of Unicode. */
const hard = [
  '_x',
  '_',
  'x',
  '2',
  '_x2D_',
  '_x_2',
  '_x5F_',
  '.',
  '..',
  '/',
  '-',
  '*',
  '@',
  '#',
  ' ',
  'é',
  'e\u0301',
];
const harder = [
  '🐘',
  '\u{10ffff}',
  '\ud83d',
  '\ude00',
  'ﬀ',
  'ſ',
  'İ',
  'A',
  'a',
  '_xD83D_',
  '\u0000',
  '中',
  '١',
];
const pieces = [...hard, ...harder];

function anyBranch(random: () => number): string {
  const length = 1 + Math.floor(random() ** 3 * 250);
  let name = '';
  while (Array.from(name).length < length) {
    const piece = pieces[Math.floor(random() * pieces.length * 1.2)];
    name += piece ?? String.fromCodePoint(Math.floor(random() * 0x110000));
  }
  return Array.from(name).slice(0, length).join('');
}

describe('names of clones for branches', () => {
  it('stay as they are where a clone can be called so', () => {
    for (const branch of ['main', 'feature/a', 'feature-a', 'Feature/A', 'größe', 'v1.2', 'a_b', '中文/٣'])
      assert.equal(cloneNameOf(branch), branch);
    withChance(2000, (random) => {
      const branch = anyBranch(random);
      if (namePattern.test(branch) && !branch.includes('_x')) assert.equal(cloneNameOf(branch), branch);
    });
  });

  it('write what clones can not be called, as ISO 9075-14 does', () => {
    const written = {
      '-x': '_x2D_x',
      '.hidden': '_x2E_hidden',
      'a..b': 'a._x2E_b',
      'a...b': 'a._x2E_.b',
      'a//b': 'a/_x2F_b',
      'end.': 'end_x2E_',
      'end/': 'end_x2F_',
      'release/*': 'release/_x2A_',
      'a b@c': 'a_x20_b_x40_c',
      '🐘': '_x1F418_',
      a_xb: 'a_x5F_xb',
      a_x2D_b: 'a_x5F_x2D_b',
      a_x_2: 'a_x5F_x_2',
    };
    for (const [branch, name] of Object.entries(written)) {
      assert.equal(cloneNameOf(branch), name);
    }
  });

  it('of any branches up to 250 characters are valid, and never meet', () => {
    const seen = new Map<string, string>();
    withChance(5000, (random) => {
      const branch = anyBranch(random);
      const ordinal = random() < 0.7 ? 1 : 2 + Math.floor(random() * 1000);
      const name = cloneNameOf(branch, ordinal);
      assert.ok(cloneNameSchema.safeParse(name).success, `${JSON.stringify(name)} is a clone's name`);
      const identity = JSON.stringify([branch, ordinal]);
      assert.equal(seen.get(name) ?? identity, identity);
      seen.set(name, identity);
    });
  });
});

describe('patterns of branches', () => {
  it('match within a part with one star and across parts with two', () => {
    const cases: [string, string[], string[]][] = [
      ['main', ['main'], ['Main', 'main2', 'a/main', '']],
      ['release/*', ['release/1', 'release/-x', 'release/'], ['release', 'release/1/2', 'x/release/1']],
      ['dependabot/**', ['dependabot/npm/x', 'dependabot/x'], ['dependabot', 'x/dependabot/y']],
      ['*', ['main', '-x', '🐘'], ['a/b']],
      ['**', ['main', 'a/b/c', '..'], []],
      ['*/fix-*', ['a/fix-1', '🐘/fix-'], ['fix-1', 'a/b/fix-1']],
      ['**/fix', ['a/fix', 'a/b/fix'], ['fix', 'a/fix/b']],
      ['a**z', ['az', 'a/z', 'abz'], ['a/zb']],
      ['v1.2', ['v1.2'], ['v1x2']],
      ['a+(b)|c', ['a+(b)|c'], ['c']],
    ];
    for (const [pattern, yes, no] of cases) {
      for (const branch of yes) assert.equal(matches(pattern, branch), true, `${pattern} ${branch}`);
      for (const branch of no) assert.equal(matches(pattern, branch), false, `${pattern} ${branch}`);
    }
  });

  it('agree with regular expressions', () => {
    const letters = ['a', 'b', '/', '*', '**', '.'];
    withChance(5000, (random) => {
      const some = (from: readonly string[]): string =>
        Array.from({ length: Math.floor(random() * 8) }, () => from[Math.floor(random() * from.length)]).join(
          '',
        );
      const pattern = some(letters);
      const branch = some(['a', 'b', '/', '.']);
      if (patternProblem(pattern) !== null) {
        assert.equal(matches(pattern, branch), false);
        return;
      }
      const source = pattern.replace(/\*\*|\*|\./g, (part) => ({ '**': '.*', '*': '[^/]*' })[part] ?? '\\.');
      assert.equal(matches(pattern, branch), new RegExp(`^${source}$`).test(branch), `${pattern} ${branch}`);
    });
  });

  it('take no longer for spiteful ones', () => {
    const started = performance.now();
    assert.equal(matches('*a'.repeat(100), 'a'.repeat(250) + 'b'), false);
    assert.equal(matches('**a'.repeat(80), 'a/'.repeat(125)), false);
    // Years otherwise.
    assert.ok(performance.now() - started < 20_000);
  });

  it('that can match no branch are told', () => {
    for (const pattern of [
      '',
      'a b',
      'a[b]',
      'a?',
      'a^',
      'a~1',
      'a:b',
      'a\\b',
      '/a',
      'a/',
      'a//b',
      '***',
      'a'.repeat(251),
    ]) {
      assert.notEqual(patternProblem(pattern), null, pattern);
      assert.equal(matches(pattern, pattern), false);
      assert.equal(branchPatternSchema.safeParse(pattern).success, false, pattern);
    }
    for (const pattern of ['main', '-x', 'release/*', '**', '🐘/*', '{a}', 'a\u00a0b', '*']) {
      assert.equal(patternProblem(pattern), null, pattern);
      assert.equal(branchPatternSchema.safeParse(pattern).success, true, pattern);
    }
  });
});

const onBranch = (branch: string, more: object = {}): DecisionInput['head'] => ({
  kind: 'branch',
  branch,
  commit: 'c'.repeat(40),
  operation: null,
  ...more,
});
const detached = (more: object = {}): DecisionInput['head'] => ({
  kind: 'detached',
  commit: 'c'.repeat(40),
  operation: null,
  branch: null,
  ...more,
});

interface Given extends Partial<Omit<DecisionInput, 'policy' | 'bound'>> {
  policy?: Partial<DecisionInput['policy']>;
  bound?: readonly string[];
}

function decided({ policy, bound, ...given }: Given): ReturnType<typeof decide> {
  return decide({
    head: onBranch('feature'),
    answers: [],
    formerNames: [],
    current: null,
    ...given,
    policy: { follow: 'ask', shared: [], never: [], from: {}, ...policy },
    bound: new Set(bound),
  });
}

const automatic = { follow: 'automatic' } as const;

describe('what a checkout leads to', () => {
  it('is the clone that its branch has', () => {
    const expected = { kind: 'bound', key: 'feature', renamedFrom: null };
    assert.deepEqual(decided({ bound: ['main', 'feature'] }), expected);
    assert.deepEqual(decided({ bound: ['feature'], policy: automatic }), expected);
  });

  it('is a new clone or a question for a branch without one, also before its first commit', () => {
    assert.deepEqual(decided({}), { kind: 'ask', key: 'feature', from: 'latest' });
    const unborn = onBranch('feature', { commit: null });
    const created = { kind: 'create', key: 'feature', from: 'latest' };
    assert.deepEqual(decided({ policy: automatic, head: unborn }), created);
  });

  it('is nothing where following is off, whatever there is', () => {
    const told = decided({ policy: { follow: 'off' }, bound: ['feature'] });
    assert.ok(told.kind === 'none');
    assert.match(told.reason, /switched off/);
  });

  it('is nothing on a detached or unreadable HEAD', () => {
    for (const policy of [automatic, { follow: 'ask' } as const]) {
      const told = decided({ head: detached(), policy, bound: ['feature'], current: 'feature' });
      assert.ok(told.kind === 'none');
      assert.equal(told.reason, 'HEAD is detached at cccccccccc');
      const picking = decided({ head: detached({ operation: 'cherry-pick' }), policy });
      assert.ok(picking.kind === 'none');
      assert.equal(picking.reason, 'HEAD is detached at cccccccccc during a cherry-pick');
      const unreadable = decided({ head: { kind: 'unreadable', problem: 'no HEAD' }, policy });
      assert.ok(unreadable.kind === 'none' && unreadable.reason === 'no HEAD');
    }
  });

  it('stays during an operation on its branch, and no clone is made', () => {
    for (const operation of ['rebase', 'merge', 'cherry-pick', 'revert', 'bisect', 'am'] as const) {
      for (const head of [detached({ operation, branch: 'feature' }), onBranch('feature', { operation })]) {
        const bound = { kind: 'bound', key: 'feature', renamedFrom: null };
        assert.deepEqual(decided({ head, bound: ['feature'], policy: automatic }), bound);
        assert.equal(decided({ head, policy: automatic, current: 'feature' }).kind, 'stay');
        // What another branch has must not be written to in its place.
        assert.equal(decided({ head, policy: automatic, bound: ['main'], current: 'main' }).kind, 'none');
        assert.equal(decided({ head, policy: automatic }).kind, 'none');
      }
    }
  });

  it('stays during a rebase that does not tell its branch, and is nothing where there was nothing before', () => {
    const head = detached({ operation: 'rebase' });
    assert.equal(decided({ head, current: 'feature', bound: ['feature'] }).kind, 'stay');
    assert.equal(decided({ head, bound: ['feature'] }).kind, 'none');
    const other = detached({ operation: 'cherry-pick' });
    assert.equal(decided({ head: other, current: 'feature', bound: ['feature'] }).kind, 'none');
  });

  it('is the clone that the branches of a pattern share', () => {
    const policy = { ...automatic, shared: ['main', 'release/*', '**/2'] };
    const head = onBranch('release/2');
    const created = { kind: 'create', key: 'release/*', from: 'latest' };
    assert.deepEqual(decided({ head, policy }), created);
    const bound = { kind: 'bound', key: 'release/*', renamedFrom: null };
    assert.deepEqual(decided({ head, policy, bound: ['release/*'] }), bound);
    assert.deepEqual(decided({ head: onBranch('release/3'), policy, bound: ['release/*'] }), bound);
  });

  it('is the clone that was bound to the branch itself, whatever the patterns and answers say', () => {
    const head = onBranch('release/2');
    const bound = ['release/*', 'release/2'];
    const policy = { ...automatic, shared: ['release/*'], never: ['release/2'] };
    const answers = [{ pattern: 'release/2', answer: 'none' } as const];
    const expected = { kind: 'bound', key: 'release/2', renamedFrom: null };
    assert.deepEqual(decided({ head, bound, policy, answers }), expected);
  });

  it('is nothing for branches that never get a clone', () => {
    const policy = { ...automatic, never: ['dependabot/**'], shared: ['**'] };
    const told = decided({ head: onBranch('dependabot/npm/x'), policy, bound: ['**'] });
    assert.ok(told.kind === 'none');
    assert.match(told.reason, /dependabot\/\*\*/);
    assert.equal(decided({ policy }).kind, 'create');
  });

  it('is what was answered before: for the branch, else for the last pattern that it matches', () => {
    const clone = { pattern: 'feature', answer: 'clone' } as const;
    const none = { pattern: 'feature', answer: 'none' } as const;
    const all = { pattern: '**', answer: 'none' } as const;
    const every = { pattern: '*', answer: 'clone' } as const;
    assert.equal(decided({ answers: [clone] }).kind, 'create');
    assert.equal(decided({ answers: [none], policy: automatic }).kind, 'none');
    assert.equal(decided({ answers: [clone, none] }).kind, 'none');
    assert.equal(decided({ answers: [none, clone] }).kind, 'create');
    assert.equal(decided({ answers: [clone, all] }).kind, 'create');
    assert.equal(decided({ answers: [all, every] }).kind, 'create');
    assert.equal(decided({ answers: [every, all] }).kind, 'none');
    assert.equal(decided({ answers: [{ pattern: 'other', answer: 'none' }] }).kind, 'ask');
  });

  it('starts where the first matching pattern says, but never from itself', () => {
    const from = { 'feature/**': 'current', 'hotfix/*': 'release', '**': 'main' };
    const start = (branch: string, shared: string[] = []): string => {
      const told = decided({ head: onBranch(branch), policy: { ...automatic, from, shared } });
      assert.ok(told.kind === 'create');
      return told.from;
    };
    assert.deepEqual(
      ['feature/a/b', 'hotfix/1', 'other', 'main'].map((branch) => start(branch)),
      ['current', 'release', 'main', 'latest'],
    );
  });

  it('is the clone of the name that the branch had before', () => {
    const expected = { kind: 'bound', key: 'feature', renamedFrom: 'older' };
    const given = { formerNames: ['old', 'older', 'oldest'], bound: ['older', 'oldest'] };
    assert.deepEqual(decided({ ...given, policy: automatic }), expected);
    assert.deepEqual(decided({ ...given, head: onBranch('feature', { operation: 'merge' }) }), expected);
    const own = { kind: 'bound', key: 'feature', renamedFrom: null };
    assert.deepEqual(decided({ ...given, bound: ['older', 'feature'] }), own);
    // A clone that others share is not taken from them, and one of its own is not given up for theirs.
    const shared = decided({ ...given, policy: { ...automatic, shared: ['feature'], never: [] } });
    assert.deepEqual(shared, expected);
    assert.equal(decided({ ...given, policy: { ...automatic, shared: ['feat*'] } }).kind, 'create');
  });

  it('is for one state of affairs always the same, and a clone is made only for a branch at rest', () => {
    const names = ['main', 'feature', 'release/1', 'release/*', '-x'];
    withChance(5000, (random) => {
      const pick = <Value>(from: readonly [Value, ...Value[]]): Value =>
        from[Math.floor(random() * from.length)] ?? from[0];
      const some = (): string[] => names.filter(() => random() < 0.3);
      const branch = pick(['main', 'feature', 'release/1', '-x']);
      const operation = pick([null, null, 'rebase', 'merge', 'bisect'] as const);
      const head = pick<DecisionInput['head']>([
        onBranch(branch, { operation }),
        detached({ operation, branch: operation === null ? null : branch }),
        { kind: 'unreadable', problem: 'broken' },
      ]);
      const given: Given = {
        head,
        policy: {
          follow: pick(['off', 'ask', 'automatic']),
          shared: some(),
          never: some(),
          from: { '**': pick(['current', 'main']) },
        },
        answers: some().map((pattern) => ({ pattern, answer: pick(['clone', 'none']) })),
        bound: some(),
        formerNames: some(),
        current: pick([null, branch, 'main']),
      };
      const told = decided(given);
      assert.deepEqual(decided(given), told);
      if (told.kind === 'create' || told.kind === 'ask')
        assert.ok(head.kind === 'branch' && operation === null && !given.bound?.includes(told.key));
      if (told.kind === 'bound') assert.ok(given.bound?.includes(told.renamedFrom ?? told.key));
      if (told.kind === 'stay') assert.ok(operation !== null && given.current !== null);
    });
  });
});
