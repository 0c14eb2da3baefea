import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import {
  blockEnd,
  blockStart,
  withBlock,
  withoutBlock,
  type EnvText,
} from '../../../engine/config/envBlock.ts';

const textOf = (changed: EnvText): string => {
  assert.ok('text' in changed, JSON.stringify(changed));
  return changed.text;
};
const problemOf = (changed: EnvText): string => {
  assert.ok('problem' in changed, JSON.stringify(changed));
  return changed.problem;
};

/** Small numbers in a row that follows from a seed. */
function randomNumbers() {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * limit);
  };
  const text = (alphabet: readonly string[], longest: number): string =>
    Array.from({ length: below(longest + 1) }, () => alphabet[below(alphabet.length)] ?? '').join('');
  return { seed, below, text };
}
const pieces = [
  'A=1',
  'B="x y"',
  "C='$d'",
  '# a comment',
  '#',
  '\n',
  '\n',
  '\r\n',
  '\r',
  ' ',
  '\t',
  'ä',
  '😀',
  '\ufeff',
  '"',
  '\\',
  '=',
  '',
] as const;
const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));

describe('the block of variables in a .env file', () => {
  const variables = { DATABASE_URL: 'postgresql://u:p@127.0.0.1:5432/shop', PGPORT: '5432' };
  const block = `${blockStart}\nDATABASE_URL=postgresql://u:p@127.0.0.1:5432/shop\nPGPORT=5432\n${blockEnd}`;

  it('stands at the end when it is new', () => {
    assert.equal(textOf(withBlock('', variables)), `${block}\n`);
    assert.equal(textOf(withBlock('A=1\n', variables)), `A=1\n${block}\n`);
    assert.equal(textOf(withBlock('A=1', variables)), `A=1\n${block}`);
    assert.equal(textOf(withBlock('A=1\r\n', variables)), `A=1\r\n${block.replaceAll('\n', '\r\n')}\r\n`);
    assert.equal(textOf(withBlock('\ufeff', variables)), `\ufeff${block}\n`);
  });
  it('stays where it is when it changes', () => {
    const text = `A=1\n${block}\nB=2\n`;
    assert.equal(textOf(withBlock(text, variables)), text);
    assert.equal(textOf(withBlock(text, { X: '1' })), `A=1\n${blockStart}\nX=1\n${blockEnd}\nB=2\n`);
    assert.equal(textOf(withBlock(`A=1\n${block}`, { X: '1' })), `A=1\n${blockStart}\nX=1\n${blockEnd}`);
  });
  it('overwrites what somebody wrote in it, and knows marks that were indented or reworded', () => {
    const text = `A=1\n  # >>> thin-clones (edited)\nPGPORT=1\nmine\n\t# <<< thin-clones, too\nB=2`;
    assert.equal(textOf(withBlock(text, { X: '1' })), `A=1\n${blockStart}\nX=1\n${blockEnd}\nB=2`);
    assert.equal(textOf(withoutBlock(text)), 'A=1\nB=2');
  });
  it('is taken out without a trace', () => {
    assert.equal(textOf(withoutBlock(`A=1\n${block}\nB=2\n`)), 'A=1\nB=2\n');
    assert.equal(textOf(withoutBlock(block)), '');
    assert.equal(textOf(withoutBlock('A=1\n')), 'A=1\n');
  });

  for (const [what, text, expected] of [
    ['without an end', `A=1\n${blockStart}\nB=2\n`, /begins in line 2 has no end mark/],
    ['without a beginning', `A=1\n${blockEnd}\n`, /ends in line 2 has no beginning mark/],
    ['that is there twice', `${block}\nA=1\n${block}\n`, /more than once \(lines 1 and 6\)/],
    ['with two beginnings', `${blockStart}\n${block}\n`, /more than once \(lines 1 and 2\)/],
    ['with two ends', `${block}\n${blockEnd}\n`, /more than once \(lines 4 and 5\)/],
    [
      'that is upside down',
      `${blockEnd}\n${blockStart}\n`,
      /\(line 1\) stands before its beginning \(line 2\)/,
    ],
  ] as const) {
    it(`is told and left alone ${what}`, () => {
      assert.match(problemOf(withBlock(text, variables)), expected);
      assert.match(problemOf(withoutBlock(text)), expected);
    });
  }

  it('leaves every other byte of ten thousand random texts as it is, and is undone exactly', () => {
    const { seed, text: randomText } = randomNumbers();
    for (let round = 0; round < 10_000; round++) {
      const text = randomText(pieces, 12);
      const once = textOf(withBlock(text, variables));
      const about = `SEED=${seed}, ${JSON.stringify(text)}`;
      assert.equal(textOf(withoutBlock(once)), text, about);
      assert.equal(textOf(withBlock(once, variables)), once, about);
      const other = textOf(withBlock(once, { X: 'another value' }));
      assert.equal(textOf(withBlock(other, variables)), once, about);
      assert.ok(once.startsWith(text), about);
    }
  });
  it('leaves what stands around it as it is, in ten thousand random texts', () => {
    const { seed, text: randomText } = randomNumbers();
    for (let round = 0; round < 10_000; round++) {
      const before = `${randomText(pieces, 6)}\n`;
      const after = randomText(pieces, 6);
      const text = `${before}${block}\n${after}`;
      const about = `SEED=${seed}, ${JSON.stringify(text)}`;
      assert.equal(textOf(withoutBlock(text)), before + after, about);
      const changed = textOf(withBlock(text, { X: '1' }));
      assert.ok(changed.startsWith(before) && changed.endsWith(`${blockEnd}\n${after}`), about);
    }
  });

  describe('has values that programs read alike', () => {
    let folder: string;
    before(() => (folder = mkdtempSync(join(tmpdir(), 'thin-clones-env-'))));
    after(() => rmSync(folder, { recursive: true }));
    const awkward = [
      '',
      ' ',
      ' a b ',
      '#',
      'a#b',
      'a # b',
      "it's",
      '"',
      '$HOME',
      '`id`',
      '$(id)',
      'a\\b',
      '\\n',
      '!',
      '&',
      '&&',
      ';',
      '|',
      '*',
      '?',
      '~',
      '~/x',
      'a:~',
      '=',
      'a=b',
      '%40',
      'ä😀',
      '(',
      '{a}',
      '[',
      '<',
      '>',
      '\t',
      'export X=1',
      '# >>> thin-clones',
      '-n',
      "a'b c",
      'postgresql://clone:p%20w@127.0.0.1:5432/shop?sslmode=disable&a=b',
      'jdbc:postgresql://127.0.0.1:5432/shop?user=u&password=p',
    ];

    /** Many values in one file, so that one process tells them all. */
    const check = (values: readonly string[], about: string) => {
      const many: Record<string, string> = {};
      for (const [index, value] of values.entries()) {
        const one = withBlock('', { V: value });
        if ('text' in one) many[`V${index}`] = value;
        else assert.match(value, /['\\]|\$\{/, about);
      }
      const text = textOf(withBlock('', many));
      assert.deepEqual({ ...parseEnv(text) }, many, about);
      const file = join(folder, 'variables.env');
      writeFileSync(file, text);
      const script = '. "$1"; shift; for name; do eval "printf \'%s\\\\0\' \\"\\$$name\\""; done';
      const told = execFileSync('sh', ['-c', script, 'sh', file, ...Object.keys(many)], {
        encoding: 'utf8',
        env: { PATH: process.env.PATH ?? '' },
      });
      assert.deepEqual(told.split('\0').slice(0, -1), Object.values(many), about);
    };
    it('as sh and Node do, for what is special somewhere', () => check(awkward, ''));
    it('as sh and Node do, for random text', () => {
      const { seed, text } = randomNumbers();
      check(
        Array.from({ length: 2000 }, () => text(printable, 24)),
        `SEED=${seed}`,
      );
    });
    for (const value of [
      'a\nb',
      'a\rb',
      'a\0b',
      `'"`,
      "'$x",
      "'`",
      "'\\",
      'a\\',
      'a\\\\b',
      '${HOME}',
      '\ud800',
    ]) {
      it(`and refuses ${JSON.stringify(value)}, which they would not`, () => {
        const problem = problemOf(withBlock('A=1\n', { SECRET: value }));
        assert.match(problem, /^the value of SECRET can't be written/);
        assert.ok(!problem.includes(value));
      });
    }
  });
});
