/** Which images of a definition nobody has agreed to: those that the environment's declaration of before did not name. */
import type { EnvironmentDefinition } from '../protocol/entities.ts';

export function newImages(
  before: Pick<EnvironmentDefinition, 'members'> | undefined,
  definition: Pick<EnvironmentDefinition, 'members'>,
): readonly string[] {
  const known = new Set(imagesOf(before));
  return [...new Set(imagesOf(definition))].filter((image) => !known.has(image));
}

const imagesOf = (definition: Pick<EnvironmentDefinition, 'members'> | undefined): readonly string[] =>
  Object.values(definition?.members ?? {}).flatMap(({ image }) => (image === undefined ? [] : [image]));
