import assert from 'node:assert/strict';
import {
  columnsOf,
  formatAge,
  formatBytes,
  formatDuration,
  formatTable,
  printable,
} from '../../../engine/cli/format.ts';
import { suggest } from '../../../engine/config/suggestion.ts';

describe('sizes and times', () => {
  for (const [bytes, text] of [
    [null, '-'],
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1000, '1.0 KB'],
    [9_940, '9.9 KB'],
    [9_960, '10 KB'],
    [842_000_000, '842 MB'],
    [999_600_000, '1.0 GB'],
    [3_100_000_000, '3.1 GB'],
  ] as const)
    it(`writes ${String(bytes)} bytes as ${text}`, () => assert.equal(formatBytes(bytes), text));
  for (const [ms, text] of [
    [-5, '0 ms'],
    [41.4, '41 ms'],
    [1_000, '1.0 s'],
    [59_949, '59.9 s'],
    [60_000, '1 min'],
    [3_600_000, '1 h'],
    [86_400_000 * 3, '3 d'],
  ] as const)
    it(`writes ${ms} ms as ${text}`, () => assert.equal(formatDuration(ms), text));
  it('writes an age', () => {
    const now = Date.parse('2026-11-21T10:00:00.000Z');
    assert.equal(formatAge('2026-11-21T09:55:00.000Z', now), '5 min ago');
    assert.equal(formatAge('2026-11-21T10:00:01.000Z', now), 'just now');
    assert.equal(formatAge(null, now), '-');
  });
});

describe('text from outside', () => {
  it('loses what could move the cursor or fake a line', () => {
    assert.equal(printable('\u001b[31mred\u001b[0m\r\na\u0007\u2028b'), 'red  a  b');
  });
  it('keeps columns straight when letters are wide or composed', () => {
    assert.deepEqual([columnsOf('日本'), columnsOf('e\u0301'), columnsOf('abc')], [4, 1, 3]);
    assert.equal(
      formatTable(
        ['A', 'B'],
        [
          ['日本', '1'],
          ['e\u0301', '2'],
        ],
      ),
      'A     B\n日本  1\ne\u0301     2',
    );
  });
});

describe('a table', () => {
  it('has no wide rows for the sake of one long name, which is shown whole', () => {
    const long = 'x'.repeat(80);
    const text = formatTable(
      ['NAME', 'STATE'],
      [
        ['a', 'ready'],
        [long, 'ready'],
        ['b', 'ready'],
      ],
    );
    assert.equal(text, `NAME  STATE\na     ready\n${long}  ready\nb     ready`);
    const both = formatTable(
      ['NAME', 'STATE'],
      [
        [long, 'ready'],
        [`${long}y`, 'ready'],
      ],
    );
    assert.equal(both.split('\n')[1], `${long}   ready`);
  });
});

describe('a suggestion', () => {
  it('is the nearest word, if it is near', () => {
    assert.equal(suggest('retreival', ['retrieval', 'engine']), 'retrieval');
    assert.equal(suggest('hosts', ['host', 'members']), 'host');
    assert.equal(suggest('zzz', ['host', 'members']), undefined);
    assert.equal(suggest('x'.repeat(10_000), ['host']), undefined);
  });
});
