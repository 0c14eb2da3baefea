import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '..', '..', '..');

/** What is no word of the field, and what is said instead. Where a word has one meaning, it is forbidden elsewhere. */
const instead: readonly { word: RegExp; where: RegExp; say: string }[] = [
  { word: /^(util|utils|helper|helpers|manager)$/, where: /./, say: 'what it is for' },
  { word: /^(wish|wishes|wished)$/, where: /./, say: 'wanted, request' },
  { word: /^(doom|dooms)$/, where: /./, say: 'tagDoomed, destroy' },
  { word: /^(beginning|beginnings)$/, where: /./, say: 'branch start, start' },
  { word: /^(lend|lends|loan)$/, where: /./, say: 'lent, as docs/architecture.md has it' },
  {
    word: /^(seal|sealed|unseal)$/,
    where: /^engine\/(storage|machine|runtime)\//,
    say: 'read-only; secrets are sealed',
  },
];
/** A secret of a stored format, wherever it stands. */
const ofOthers = /^(sealedPasswords?)$/;

/** `sealStep` is "seal" and "step". */
const wordsOf = (name: string): string[] =>
  name
    .split(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+/)
    .map((word) => word.toLowerCase())
    .filter((word) => word !== '');

function forbiddenIn(path: string, text: string): string[] {
  const names = new Set([basename(path, '.ts')]);
  const look = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) names.add(node.text);
    ts.forEachChild(node, look);
  };
  look(ts.createSourceFile(path, text, ts.ScriptTarget.Latest));
  const rules = instead.filter(({ where }) => where.test(path));
  return [...names]
    .filter((name) => !ofOthers.test(name))
    .flatMap((name) => {
      const rule = rules.find(({ word }) => wordsOf(name).some((each) => word.test(each)));
      return rule === undefined ? [] : [`${path}: ${name} (say: ${rule.say})`];
    });
}

describe('names', () => {
  it('are words of the field', async () => {
    const found: string[] = [];
    let files = 0;
    for (const folder of ['engine', 'src', join('webview-ui', 'jobs'), join('webview-ui', 'shared')])
      for (const entry of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
        const file = join(entry.parentPath, entry.name);
        files += 1;
        found.push(...forbiddenIn(relative(root, file).split(sep).join('/'), await readFile(file, 'utf8')));
      }
    assert.ok(files > 300, `only ${files} files were found`);
    assert.deepEqual(found, []);
  });

  it('are found as parts of a name, and in the name of a file', () => {
    assert.deepEqual(
      forbiddenIn(
        'engine/storage/stringUtils.ts',
        '/** seal */ const sealStep = "doom"; sealedPassword; Commonly;',
      ),
      [
        'engine/storage/stringUtils.ts: stringUtils (say: what it is for)',
        'engine/storage/stringUtils.ts: sealStep (say: read-only; secrets are sealed)',
      ],
    );
    assert.deepEqual(forbiddenIn('engine/state/vault.ts', 'seal(); releaseBeginnings();'), [
      'engine/state/vault.ts: releaseBeginnings (say: branch start, start)',
    ]);
  });
});
