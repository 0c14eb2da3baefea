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
  [/^src\/commands\/openInExtension\.ts$/, 'names of other extensions'],
  [/^src\/commands\/psqlEnvironment\.ts$/, 'what its terminal program reads'],
];

/** What people read: texts with a space, and those with values in them. */
function sentencesIn(text: string): string[] {
  const found: string[] = [];
  const look = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) && /\s/.test(node.text)) found.push(node.text);
    else if (ts.isTemplateLiteralToken(node)) found.push(node.text);
    ts.forEachChild(node, look);
  };
  look(ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest));
  return found.filter((sentence) => /postgres|pg_[a-z]|libpq/i.test(sentence));
}

/** Where its name may stand in a sentence besides, and why. */
const speaking: readonly (readonly [RegExp, string])[] = [
  [/^engine\/(database\/(postgres|fake)|migrations)\//, 'the engine itself, and tools that migrate it'],
  [/^engine\/protocol\/engineWords\.ts$/, 'its words for people'],
  [/^engine\/protocol\/(connectionString\.ts|connectionUrl\/)/, 'the formats of a connection'],
  [/^src\/commands\/openInExtension\.ts$/, 'names of other extensions'],
];

async function* filesOf(folders: readonly string[]): AsyncGenerator<{ path: string; text: string }> {
  for (const folder of folders)
    for (const entry of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const file = join(entry.parentPath, entry.name);
      yield { path: relative(root, file).split(sep).join('/'), text: await readFile(file, 'utf8') };
    }
}

describe('a database engine', () => {
  it('is named in its own folder and in the registry alone', async () => {
    const named: string[] = [];
    let files = 0;
    for await (const { path, text } of filesOf(['engine', 'src', 'webview-ui'])) {
      files += 1;
      if (allowed.some(([pattern]) => pattern.test(path))) continue;
      for (const name of namesIn(text)) named.push(`${path}: ${name}`);
    }
    assert.ok(files > 300, `only ${files} files were found`);
    assert.deepEqual(named, []);
  });

  it('is told of to people in words that stand in one place', async () => {
    const told: string[] = [];
    for await (const { path, text } of filesOf(['engine', 'src', 'webview-ui'])) {
      if (speaking.some(([pattern]) => pattern.test(path))) continue;
      for (const sentence of sentencesIn(text)) told.push(`${path}: ${sentence}`);
    }
    assert.deepEqual(told, []);
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
