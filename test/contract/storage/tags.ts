/** Tags for datasets of storage tests: small and valid. */
import { randomInt } from 'node:crypto';
import {
  cloneSchema,
  environmentDefinitionSchema,
  snapshotSchema,
} from '../../../engine/protocol/entities.ts';
import {
  datasetIdSchema,
  environmentNameSchema,
  installationIdSchema,
  memberNameSchema,
  type DatasetId,
  type InstallationId,
} from '../../../engine/protocol/ids.ts';
import { datasetTagsSchema, type DatasetTags } from '../../../engine/storage/storage.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
const suffix = (): string => Array.from({ length: 16 }, () => LETTERS[randomInt(LETTERS.length)]).join('');

export const newDatasetId = (): DatasetId => datasetIdSchema.parse(`data-${suffix()}`);
export const newInstallationId = (): InstallationId => installationIdSchema.parse(`inst-${suffix()}`);

const AT = '2026-11-20T10:00:00.000Z';
const environment = {
  name: environmentNameSchema.parse('shop'),
  definition: environmentDefinitionSchema.parse({
    members: { orders: { engine: 'postgres', retrieval: 'logical', url: 'postgresql://reader@db/shop' } },
  }),
  createdAt: AT,
};

export function tagsOf(
  installation: InstallationId,
  dataset: DatasetId,
  state: DatasetTags['state'],
  kind: 'snapshot' | 'clone' = 'clone',
  message = 'as made',
): DatasetTags {
  const bytes = { unshared: null, logical: null };
  const content =
    kind === 'snapshot'
      ? {
          kind,
          snapshot: snapshotSchema.parse({
            id: 'snapshot-aaaaaaaaaaaaaaaa',
            name: 'nightly',
            environment: 'shop',
            state: 'ready',
            dataStateAt: AT,
            createdAt: AT,
            createdBy: 'test',
            skewMs: 0,
            bytes,
            members: [],
            clones: [],
            origin: 'refresh',
            message,
          }),
        }
      : {
          kind,
          clone: cloneSchema.parse({
            id: 'clone-aaaaaaaaaaaaaaaa',
            name: 'feature/a',
            environment: 'shop',
            snapshot: 'snapshot-aaaaaaaaaaaaaaaa',
            state: 'ready',
            createdAt: AT,
            createdBy: 'test',
            resetAt: null,
            protectedUntil: null,
            bytes,
            members: [],
            branch: null,
            problem: message,
          }),
          generation: 0,
          sealedPassword: 'sealed',
        };
  return datasetTagsSchema.parse({
    format: 1,
    installation,
    dataset,
    state,
    member: memberNameSchema.parse('orders'),
    environment,
    content,
  });
}
