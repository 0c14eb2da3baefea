import assert from 'node:assert/strict';
import { isFailure } from '../../../../engine/protocol/errors.ts';
import { isSet, numberOf, parseTable, ratioOf } from '../../../../engine/storage/zfs/table.ts';

describe('what zfs lists', () => {
  it('is read by its tabs, as OpenZFS 2.1.11 printed it', () => {
    const printed =
      'tank/thin/data/a\tfilesystem\t19\t-\t-\t-\n' +
      'tank/thin/data/a@kept\tsnapshot\t20\ttank/thin/data/b\t1\t-\n' +
      'tank/thin/data/b\tfilesystem\t24\t-\t-\tinst-x\n';
    const rows = parseTable(printed, ['name', 'type', 'createtxg', 'clones', 'userrefs', 'owner']);
    assert.deepEqual(
      rows.map(({ name, clones, owner }) => [name, isSet(clones), isSet(owner)]),
      [
        ['tank/thin/data/a', false, false],
        ['tank/thin/data/a@kept', true, false],
        ['tank/thin/data/b', false, true],
      ],
    );
    assert.equal(numberOf(rows[1]?.createtxg ?? ''), 20);
    assert.deepEqual(parseTable('', ['name']), []);
  });

  it('is refused with another number of fields, or a word for a number', () => {
    for (const printed of ['tank\n', 'tank\tyes\tmore\n', 'tank yes\n'])
      assert.throws(
        () => parseTable(printed, ['name', 'mounted']),
        (error) => isFailure(error, 'storage_failed') && /fields/.test(error.message),
      );
    assert.deepEqual(['1.85', '1.00x', '12.4', '-', '', '0.00', 'none', '1e3', '1,5'].map(ratioOf), [
      1.85,
      1,
      12.4,
      ...Array.from({ length: 6 }, () => undefined),
    ]);
    assert.throws(
      () => numberOf('7.27G'),
      (error) => isFailure(error, 'storage_failed'),
    );
  });
});
