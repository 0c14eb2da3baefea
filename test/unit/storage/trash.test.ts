import assert from 'node:assert/strict';
import { createFakeMachine } from '../../../engine/machine/fake/fakeMachine.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';
import { createTrash } from '../../../engine/storage/trash.ts';

describe('the trash of a store', () => {
  it('frees the other trees while the removal of one hangs, which is not begun twice', async () => {
    const machine = createFakeMachine({ name: hostNameSchema.parse('local') });
    for (const name of ['a', 'b']) await machine.files.makeDirectory(`/trash/${name}`);
    const begun: string[] = [];
    let release = (): void => undefined;
    const hang = new Promise<void>((resolve) => (release = resolve));
    const trash = createTrash({
      ...{ machine, folder: '/trash', patienceMs: 1 },
      driver: {
        async dropTree(path) {
          begun.push(path);
          if (path === '/trash/a') await hang;
          await machine.files.remove(path);
        },
      },
    });
    const left = async (): Promise<string[]> => (await machine.files.list('/trash')).map(({ name }) => name);
    await trash.empty({});
    assert.deepEqual(await left(), ['a']);
    await machine.files.makeDirectory('/trash/c');
    await trash.empty({});
    assert.deepEqual(await left(), ['a']);
    assert.deepEqual(begun, ['/trash/a', '/trash/b', '/trash/c']);
    release();
    await trash.close();
    assert.deepEqual(await left(), []);
  });
});
