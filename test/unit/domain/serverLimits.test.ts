import assert from 'node:assert/strict';
import { newImages } from '../../../engine/domain/newImages.ts';
import { limitsOf } from '../../../engine/domain/serverLimits.ts';
import { environmentDefinitionSchema } from '../../../engine/protocol/entities.ts';

const withImages = (...images: readonly (string | undefined)[]) =>
  environmentDefinitionSchema.parse({
    members: Object.fromEntries(
      images.map((image, index) => [
        `member${index}`,
        { engine: 'postgres', retrieval: 'directory', directory: '/srv/pg', ...(image && { image }) },
      ]),
    ),
  });

describe('what servers may have of their machine', () => {
  for (const { clones, limits } of [
    { clones: {}, limits: {} },
    { clones: { memory: '512MB' }, limits: { memoryBytes: 536_870_912 } },
    { clones: { memory: '2GB', cpus: 1.5 }, limits: { memoryBytes: 2_147_483_648, cpus: 1.5 } },
  ])
    it(JSON.stringify(clones), () => assert.deepEqual(limitsOf({ clones }), limits));
});

describe('the images that nobody has agreed to', () => {
  it('are all of a new environment, each once', () =>
    assert.deepEqual(newImages(undefined, withImages('a', undefined, 'b', 'a')), ['a', 'b']));
  it('are none that it had before, whichever member has it', () =>
    assert.deepEqual(newImages(withImages('a', 'b'), withImages('b', 'c')), ['c']));
  it('are none where there is no image', () =>
    assert.deepEqual(newImages(undefined, withImages(undefined)), []));
});
