import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '..', '..', '..');

/** A name, or a text that is one, of PostgreSQL: of a variable, a module, an engine, a table, a file. */
const ours = /postgres|postmaster|^pg_|libpq/i;

/** Words of code alone: comments, sentences for people and patterns are no names. */
function namesIn(text: string): string[] {
  const found: string[] = [];
  const look = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) found.push(node.text);
    else if (ts.isStringLiteral(node) && !/\s/.test(node.text)) found.push(node.text);
    ts.forEachChild(node, look);
  };
  look(ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest));
  return found.filter((name) => ours.test(name));
}

/** Where a database engine may be named, and why. */
const allowed: readonly (readonly [RegExp, string])[] = [
  [/^engine\/database\/postgres\//, 'the engine itself'],
  [/^engine\/database\/engines\.ts$/, 'the registry'],
  [/^engine\/database\/fake\//, 'its double'],
  [/^engine\/protocol\//, 'public names: the engines that there are, the formats of a connection'],
  [
    /^engine\/migrations\/(tools\/|changelog\.ts)/,
    'what migration tools call the database that they migrate',
  ],
];

describe('a database engine', () => {
  it('is named in its own folder and in the registry alone', async () => {
    const named: string[] = [];
    let files = 0;
    for (const entry of await readdir(join(root, 'engine'), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const file = join(entry.parentPath, entry.name);
      const path = relative(root, file).split(sep).join('/');
      files += 1;
      if (allowed.some(([pattern]) => pattern.test(path))) continue;
      for (const name of namesIn(await readFile(file, 'utf8'))) named.push(`${path}: ${name}`);
    }
    assert.ok(files > 200, `only ${files} files were found`);
    assert.deepEqual(named, []);
  });

  it('is found by a name, a module and a text, and not by a sentence', () => {
    assert.deepEqual(
      namesIn(
        "import { postgresWire } from './database/postgres/wire.ts'; const a = 'postmaster.pid'; // postgres\nfail('A PostgreSQL server');",
      ),
      ['postgresWire', './database/postgres/wire.ts', 'postmaster.pid'],
    );
  });
});
