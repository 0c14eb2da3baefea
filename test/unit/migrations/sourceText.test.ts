import assert from 'node:assert/strict';
import { dependencyOrder } from '../../../engine/migrations/dependencyOrder.ts';
import {
  blocksAfter,
  literalAfter,
  literalsAfter,
  properties,
  withoutComments,
  withoutHashComments,
} from '../../../engine/migrations/sourceText.ts';
import { placeOf, valueAfter } from '../../../engine/migrations/codeValue.ts';
import { xmlTags } from '../../../engine/migrations/xmlTags.ts';
import { report } from './checkout.ts';

describe('settings in the text of programs', () => {
  it('are found without comments, but with what only looks like one', () => {
    const text = withoutComments('url: "http://x", // out: "a"\n/* out: "b" */ out: `c`, s: \'/*\'');
    assert.equal(literalAfter(text, 'url'), 'http://x');
    assert.equal(literalAfter(text, 'out'), 'c');
    assert.equal(literalAfter(text, 's'), '/*');
    assert.equal(withoutHashComments('a = "#1" # "b"\n'), 'a = "#1" \n');
  });

  it('are those of their own block', () => {
    const text =
      'seeds: { directory: "s" }, migrations: { directory: "m", nested: { directory: "n" } }, directory: "d"';
    assert.deepEqual(
      blocksAfter(text, 'migrations').map((block) => literalsAfter(block, 'directory')),
      [['m', 'n']],
    );
  });

  it('are paths as texts, lists and joins, and what only the program knows is told', async () => {
    const values = async (text: string) => {
      const value = await valueAfter({ path: 'src/db/source.ts', text }, 'a');
      const places = value?.values.map((each) => placeOf(each)) ?? [];
      return [value?.isPartly, ...places.map(({ kind, path }) => `${kind} ${path}`)];
    };
    const cases: [string, boolean | undefined, ...string[]][] = [
      ['a: ["x", \'y\']', false, 'relative x', 'relative y'],
      ["a: path.join(__dirname, '..', 'db')", false, 'checkout src/db'],
      ["a: [__dirname + '/../m/**/*{.ts,.js}']", false, 'checkout src/m/**/*{.ts,.js}'],
      ["const root = resolve(process.cwd(), 'x');\na: [`${root}/*.ts`] as const", false, 'relative x/*.ts'],
      [
        "const here = dirname(fileURLToPath(import.meta.url));\na: [join(here, '../m')]",
        false,
        'checkout src/m',
      ],
      ["a: new URL('./m/*.ts', import.meta.url).pathname", false, 'checkout src/db/m/*.ts'],
      ["a: process.env.WHERE ?? 'm'", false, 'relative m'],
      [
        "a: mode === 'built' ? ['dist/*.js'] : ['src/*.ts']",
        false,
        'relative dist/*.js',
        'relative src/*.ts',
      ],
      ["a: ['x', ...more]", true, 'relative x'],
      ["a: ['x'].concat(more)", true, 'relative x'],
      ["let d = 'x';\nlet d = 'y';\na: d", true],
      ['a: `${root}/db`, b: somewhere()', true],
      ['a: somewhere()', true],
      ['a: { b: "x" }', undefined],
      ['a: string[];', undefined],
    ];
    for (const [text, ...expected] of cases) assert.deepEqual(await values(text), expected, text);
    const [, outside] = await values("a: [__dirname + '/../../../../x']");
    assert.match(String(outside), /^outside /);
  });

  it('are read from properties with sections, whatever the case and the dashes', () => {
    const values = properties('[flyway]\nout-of-order = "true"\n# x = 1\n[a.b]\nKey=v\n');
    assert.deepEqual(
      [...values],
      [
        ['flyway.outoforder', 'true'],
        ['a.b.key', 'v'],
      ],
    );
  });
});

describe('the tags of XML', () => {
  it('come with attributes, without comments, CDATA and prefixes', () => {
    const text = `<?xml version="1.0"?><!-- <a x="1"/> --><n:a x="1 &lt; 2" y='"'><![CDATA[<b/>]]></n:a>`;
    assert.deepEqual(
      xmlTags(text).map(({ name, kind, attributes }) => [name, kind, Object.fromEntries(attributes)]),
      [
        ['a', 'open', { x: '1 < 2', y: '"' }],
        ['a', 'close', {}],
      ],
    );
  });
});

describe('hostile text', () => {
  // Patterns that look for an end which never comes start over at every beginning; recursion overflows the stack.
  it('is read in no time', async () => {
    const many = 200_000;
    const began = process.hrtime.bigint();
    withoutComments('/* '.repeat(many));
    withoutHashComments('""" '.repeat(many));
    xmlTags('<!-- '.repeat(many));
    xmlTags('<![CDATA['.repeat(many));
    xmlTags('<!x '.repeat(many));
    for (const open of ['a: [ ', 'a: ( ', 'a: `${', 'a: join(', 'a: b, '])
      await valueAfter({ path: 'a.ts', text: open.repeat(many / 10) }, 'a');
    blocksAfter('a: { '.repeat(many), 'a');
    properties(`[${' '.repeat(many)}`);
    assert.ok(process.hrtime.bigint() - began < 5_000_000_000n);
  });

  it('of blank lines and open brackets in migrations is read in no time', async () => {
    const blank = '\n'.repeat(200_000);
    const began = process.hrtime.bigint();
    await report({
      files: {
        'manage.py': 'django',
        'a/migrations/__init__.py': '',
        'a/apps.py': blank,
        'a/migrations/0001_a.py': `class Migration:${blank}`,
        'c/changelog.sql': `--liquibase formatted sql\n--changeset a:1\n${blank}`,
        'p/migration_lock.toml': blank,
        'p/schema.prisma': 'datasource a { '.repeat(50_000),
      },
    });
    assert.ok(process.hrtime.bigint() - began < 5_000_000_000n);
  });

  it('of a history of 50,000 steps in the wrong order is ordered', () => {
    const items = Array.from({ length: 50_000 }, (_, index) => index).reverse();
    const ordered = dependencyOrder(items, String, (item) => [String(item - 1)]);
    assert.deepEqual(ordered.slice(0, 3), [0, 1, 2]);
    assert.equal(ordered.length, 50_000);
  });

  it('of a circle ends', () => {
    assert.deepEqual(
      dependencyOrder(['a', 'b', 'c'], String, (item) => (item === 'a' ? ['b'] : ['a'])),
      ['b', 'a', 'c'],
    );
  });
});
