import assert from 'node:assert/strict';
import { isSettingsFile, sourceVariables } from '../../../engine/protocol/sourceVariables.ts';
import { fakeEnvironment } from '../cli/fakeEngine.ts';

const withUrl = (url: string) =>
  fakeEnvironment({
    definition: { host: 'local', members: { orders: { engine: 'postgres', retrieval: 'logical', url } } },
  }).definition;
const found = (url: string, ...lines: string[]): string[] =>
  sourceVariables(lines.join('\n'), withUrl(url)).map(({ variable, line }) => `${variable}:${line}`);

describe('variables of a .env file that lead to a source', () => {
  it('are found however the same database is written', () => {
    for (const value of [
      'postgres://anna:secret@db.example/shop',
      '"postgresql://db.example:5432/shop?sslmode=require"',
      "'postgresql://DB.example/shop'",
      'jdbc:postgresql://db.example/shop?user=anna',
      'postgresql:///shop?host=db.example # the real one',
    ])
      assert.deepEqual(found('postgresql://reader@db.example/shop', `export URL=${value}`), ['URL:1'], value);
    assert.deepEqual(found('postgresql://reader@127.0.0.1:5433/shop', 'URL=postgres://localhost:5433/shop'), [
      'URL:1',
    ]);
  });

  it('are no others: another database, port or host, a comment, a variable in the URL', () => {
    assert.deepEqual(
      found(
        'postgresql://reader@db/shop',
        'A=postgres://db/other',
        'B=postgres://db:5433/shop',
        'C=postgres://db2/shop',
        '# D=postgres://db/shop',
        'E=postgres://${HOST}/shop',
        'F=see postgres://db/shop',
        'G=postgres://',
      ),
      [],
    );
  });

  it('are none when a later line gives the variable another value', () => {
    const lines = ['URL=postgres://db/shop', 'URL=postgres://127.0.0.1:55432/shop'];
    assert.deepEqual(found('postgresql://reader@db/shop', ...lines), []);
    assert.deepEqual(found('postgresql://reader@db/shop', ...lines.toReversed()), ['URL:2']);
  });

  it('are looked for in files that programs read, not in templates', () => {
    assert.deepEqual(
      ['.env', '.env.local', '.env.example', '.env.sample', '.environment', 'x.env'].filter(isSettingsFile),
      ['.env', '.env.local'],
    );
  });
});
