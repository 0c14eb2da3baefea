import assert from 'node:assert/strict';
import { readArguments } from '../../../src/commands/commandArguments.ts';
import type { CommandArguments, CommandId } from '../../../src/commands/commandIds.ts';
import { commandLink } from '../../../src/commands/commandLink.ts';

describe('the arguments of a command', () => {
  const clone = { kind: 'clone', key: 'c1' } as const;

  it('are what VS Code gives of a row of the right kind', () => {
    assert.deepEqual(readArguments('thinClones.clone.reset', [clone, [clone]]), [clone]);
    assert.deepEqual(readArguments('thinClones.clone.create', [{ kind: 'clones', key: 'shop' }]), [
      { kind: 'clones', key: 'shop' },
    ]);
    assert.deepEqual(readArguments('thinClones.job.show', [{ kind: 'job', key: 'j1' }]), [
      { kind: 'job', key: 'j1' },
    ]);
    assert.deepEqual(readArguments('thinClones.branch.reset', [{ folder: 'f1' }]), [{ folder: 'f1' }]);
  });

  it('are left out when the command can not be about them', () => {
    for (const given of [[], [undefined], ['c1'], [{ kind: 'host', key: 'local' }], [{ kind: 'clone' }]]) {
      assert.deepEqual(readArguments('thinClones.clone.reset', given), []);
    }
    assert.deepEqual(readArguments('thinClones.branch.showMigrations', [clone]), []);
    assert.deepEqual(readArguments('thinClones.engine.start', [clone]), []);
  });

  it('name the selected clones, and no other selected rows', () => {
    const other = { kind: 'clone', key: 'c2' } as const;
    assert.deepEqual(
      readArguments('thinClones.clone.destroy', [clone, [clone, { kind: 'snapshot', key: 's1' }, other]]),
      [clone, [clone, other]],
    );
    assert.deepEqual(readArguments('thinClones.clone.destroy', [clone]), [clone, []]);
  });

  it('are the JSON of a link, which VS Code reads back', () => {
    const link = commandLink('Reset', 'thinClones.branch.reset', { folder: 'a) b' });
    const query = /^\[Reset\]\(command:thinClones\.branch\.reset\?([^)\s]*)\)$/.exec(link)?.[1] ?? '';
    assert.deepEqual(JSON.parse(decodeURIComponent(query)), [{ folder: 'a) b' }]);
    assert.equal(commandLink('Menu', 'thinClones.showMenu'), '[Menu](command:thinClones.showMenu)');
  });

  it('do not compile when they are wrong', () => {
    const take = <Id extends CommandId>(_id: Id, ...subject: CommandArguments<Id>): number => subject.length;
    // @ts-expect-error a host is no clone
    assert.equal(take('thinClones.clone.reset', { kind: 'host', key: 'local' }), 1);
    // @ts-expect-error starting the engine takes nothing
    assert.equal(take('thinClones.engine.start', clone), 1);
    // @ts-expect-error a key is a text
    assert.equal(take('thinClones.host.doctor', { kind: 'host', key: undefined }), 1);
    // @ts-expect-error there is no such command
    assert.equal(take('thinClones.clone.relabel', clone), 1);
    assert.equal(take('thinClones.clone.reset', clone), 1);
  });
});
