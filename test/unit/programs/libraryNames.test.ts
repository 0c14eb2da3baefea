import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import {
  neededLibraries,
  type LibraryFile,
} from '../../../engine/database/postgres/programs/fetch/libraryNames.ts';

function library(name: string, linkNames: readonly string[], ...needs: readonly string[]): LibraryFile {
  return { name, linkNames, content: binary(...needs) };
}

function binary(...needs: readonly string[]): Buffer {
  return Buffer.from(['\x7fELF', ...needs, ''].join('\0'), 'latin1');
}

describe('neededLibraries', () => {
  it('follows libraries that libraries need, and leaves out the others', () => {
    const icudata = library('libicudata.so.60.2', ['libicudata.so', 'libicudata.so.60']);
    const icuuc = library('libicuuc.so.60.2', ['libicuuc.so.60'], 'libicudata.so.60');
    const ecpg = library('libecpg.so.6.18', ['libecpg.so.6']);
    const needed = neededLibraries([binary('libicuuc.so.60')], [icudata, icuuc, ecpg]);
    assert.deepEqual(
      needed.map(({ library: { name }, names }) => [name, names]),
      [
        ['libicuuc.so.60.2', ['libicuuc.so.60']],
        ['libicudata.so.60.2', ['libicudata.so.60']],
      ],
    );
  });

  it('does not take a longer name for the shorter one inside it', () => {
    const z = library('libz.so.1', []);
    assert.deepEqual(neededLibraries([binary('libz.so.1.3', 'mylibz.so.1')], [z]), []);
  });

  it('gives both names of a library that is asked for by two, its own first', () => {
    const icuuc = library('libicuuc.77.1.dylib', ['libicuuc.77.dylib']);
    const [needed] = neededLibraries(
      [binary('@loader_path/../lib/libicuuc.77.dylib'), binary('@loader_path/../lib/libicuuc.77.1.dylib')],
      [icuuc],
    );
    assert.deepEqual(needed?.names, ['libicuuc.77.1.dylib', 'libicuuc.77.dylib']);
  });

  it('compares without case, as Windows does', () => {
    const pq = library('libpq.dll', []);
    assert.equal(neededLibraries([binary('LIBPQ.dll')], [pq]).length, 1);
  });
});
