/** What the engine tells everybody who listens: complete entities, in the order of a rising sequence number. */
import * as z from 'zod';
import {
  checkoutSchema,
  cloneSchema,
  environmentSchema,
  hostSchema,
  jobLineSchema,
  jobSchema,
  snapshotSchema,
} from './entities.ts';
import {
  checkoutIdSchema,
  cloneIdSchema,
  environmentNameSchema,
  jobIdSchema,
  snapshotIdSchema,
} from './ids.ts';

const sequence = z.number().int().nonnegative();

export const eventSchema = z.discriminatedUnion('kind', [
  z.object({ seq: sequence, kind: z.literal('host'), entity: hostSchema }),
  z.object({ seq: sequence, kind: z.literal('environment'), entity: environmentSchema }),
  z.object({ seq: sequence, kind: z.literal('environment.removed'), name: environmentNameSchema }),
  z.object({ seq: sequence, kind: z.literal('snapshot'), entity: snapshotSchema }),
  z.object({ seq: sequence, kind: z.literal('snapshot.removed'), id: snapshotIdSchema }),
  z.object({ seq: sequence, kind: z.literal('clone'), entity: cloneSchema }),
  z.object({ seq: sequence, kind: z.literal('clone.removed'), id: cloneIdSchema }),
  z.object({ seq: sequence, kind: z.literal('checkout'), entity: checkoutSchema }),
  z.object({ seq: sequence, kind: z.literal('checkout.removed'), id: checkoutIdSchema }),
  z.object({ seq: sequence, kind: z.literal('job'), entity: jobSchema }),
  z.object({ seq: sequence, kind: z.literal('job.removed'), id: jobIdSchema }),
  z.object({ seq: sequence, kind: z.literal('jobLine'), entity: jobLineSchema }),
  /** The stream can't go on from where the client asked: read the overview again. */
  z.object({ seq: sequence, kind: z.literal('resync') }),
]);
export type Event = z.infer<typeof eventSchema>;
/** An event before the stream gives it its number. */
export type EventBody = Event extends infer E ? (E extends { seq: number } ? Omit<E, 'seq'> : never) : never;

/** Everything at one moment; a client that holds it follows the events after `seq` of the same `epoch`. */
export const overviewSchema = z.object({
  /** Changes when the engine restarts: sequence numbers of another epoch mean nothing. */
  epoch: z.string(),
  seq: sequence,
  hosts: z.array(hostSchema),
  environments: z.array(environmentSchema),
  snapshots: z.array(snapshotSchema),
  clones: z.array(cloneSchema),
  checkouts: z.array(checkoutSchema),
  /** Unfinished jobs and the newest 100 finished ones, newest first. */
  jobs: z.array(jobSchema),
});
export type Overview = z.infer<typeof overviewSchema>;
