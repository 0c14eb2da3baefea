import assert from 'node:assert/strict';
import { longestBelow, nameProblem } from '../../../../engine/storage/zfs/names.ts';

describe('the name of a dataset', () => {
  for (const name of [
    'tank',
    'tank/thin',
    'tank/a-b_c.d:e',
    'tank/my data',
    'T9/x',
    'logs/x',
    'tank/.hidden',
  ])
    it(`may be "${name}"`, () => assert.equal(nameProblem(name), undefined));

  for (const [name, problem] of [
    ['', /empty/],
    ['/tank', /begins with "\/"/],
    ['tank/', /ends with/],
    ['tank//x', /empty part/],
    ['tank/..', /".."/],
    ['tank/./x', /"\."/],
    ['tank/x@y', /snapshot/],
    ['tank/x#y', /bookmark/],
    ['ta%k/x', /"%"/],
    ['tank/x\ny', /"\\n"/],
    ['tank/ü', /"ü"/],
    ['tank/🐘', /no "/],
    ['1tank', /letter/],
    ['-o', /letter/],
    ['mirror-1/x', /mirror/],
    ['log/x', /log/],
    [`tank/${'x'.repeat(255)}`, /longer/],
    [Array.from({ length: 49 }, () => 'a').join('/'), /levels/],
  ] as const)
    it(`can't be ${JSON.stringify(name.slice(0, 40))}`, () => assert.match(nameProblem(name) ?? '', problem));

  it('leaves room for ours below it', () => {
    assert.equal(nameProblem(`tank/${'x'.repeat(250 - longestBelow)}`), undefined);
    assert.match(nameProblem(`tank/${'x'.repeat(251 - longestBelow)}`) ?? '', /longer/);
  });
});
