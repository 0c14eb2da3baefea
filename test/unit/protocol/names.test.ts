import assert from 'node:assert/strict';
import { nearestName } from '../../../engine/protocol/names.ts';

describe('the nearest name', () => {
  it('is made of what people type', () => {
    for (const [text, name] of [
      ['Feature X!', 'feature-x'],
      ['  feature/Ärger  ', 'feature/ärger'],
      ['a//b..c', 'a/b.c'],
      ['-rf /', 'rf'],
      ['release 1.2.', 'release-1.2'],
    ] as const)
      assert.equal(nearestName(text), name);
  });

  it('is none when nothing is left', () => {
    for (const text of ['', '!!!', '///', '-']) assert.equal(nearestName(text), undefined);
  });
});
