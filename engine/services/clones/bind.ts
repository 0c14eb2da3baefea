/** Binds a clone to a branch, and takes it off again: with it goes the password that all clones of the repository share. */
import * as z from 'zod';
import { boundRow, type Binding } from '../../domain/bindings.ts';
import type { JobKind } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { cloneIdSchema, installationIdSchema, type CloneId, type Reference } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import { jobOn, type Caller } from '../caller.ts';
import { bindingLane, exclusiveLane } from '../laneKeys.ts';
import type { CloneParts } from './parts.ts';
import { cloneOf, tagReady } from './rows.ts';

/** Null: to none. */
export type BindingTarget = Binding | null;

export interface BindClone {
  readonly kind: JobKind<BindInput, object>;
  /**
   * Without a password the clone keeps its own. Throws `binding_taken` when the branch has another clone, `clone_not_ready`,
   * `busy`.
   */
  request(clone: Reference, to: BindingTarget, password: string | undefined, caller: Caller): Job;
}

const bindingSchema = z.object({
  /** A job that an older version left names none: it was its own. */
  installation: installationIdSchema.nullable().default(null),
  repository: z.string().nullable(),
  branch: z.string().nullable(),
  sealedPassword: z.string(),
});
const bindInput = z.object({ clone: cloneIdSchema, before: bindingSchema, after: bindingSchema });
type BindInput = z.infer<typeof bindInput>;

export function createBindClone({ context, cloneServers, tagging }: CloneParts): BindClone {
  const { store, catalog, vault, runner } = context;

  /** With the values of a binding. */
  const bound = (id: CloneId, binding: z.infer<typeof bindingSchema>): CloneRecord => ({
    ...cloneOf(context, id),
    ...binding,
  });

  const samePassword = ({ before, after }: BindInput): boolean =>
    vault.open(before.sealedPassword) === vault.open(after.sealedPassword);

  const kind: BindClone['kind'] = {
    type: 'clone.bind',
    input: bindInput,
    data: z.object({}),
    steps: () => [
      {
        name: 'Password',
        async run({ input, signal }) {
          if (!samePassword(input)) await cloneServers.setPassword(bound(input.clone, input.after), signal);
          return undefined;
        },
        async undo({ input }) {
          if (!samePassword(input)) await cloneServers.setPassword(bound(input.clone, input.before));
          return undefined;
        },
      },
      {
        name: 'Bind',
        commits: true,
        async run({ input }) {
          await tagReady(context, bound(input.clone, input.after));
          return () => store.clones.put({ ...bound(input.clone, input.after), finished: null });
        },
        async undo({ input }) {
          await tagReady(context, bound(input.clone, input.before));
          return undefined;
        },
      },
    ],
    ended: ({ clone }) => tagging.afterJob(clone),
  };

  return {
    kind,
    request(reference, to, password, caller) {
      const clone = catalog.clone(reference);
      const holder = runner.holder([exclusiveLane(clone)]);
      if (holder === undefined && clone.state !== 'ready' && clone.state !== 'stopped')
        throw fail('clone_not_ready', { clone: clone.name, state: clone.state });
      if (to !== null) {
        const taken = catalog.clonesOfBranch(clone.environment, to).find(({ id }) => id !== clone.id);
        if (taken !== undefined) throw fail('binding_taken', { branch: to.branch, clone: taken.name });
      }
      const { installation, repository, branch, sealedPassword } = clone;
      return runner.submit({
        kind,
        title: to === null ? `Unbind clone ${clone.name}` : `Bind clone ${clone.name} to ${to.branch}`,
        input: {
          clone: clone.id,
          before: { installation, repository, branch, sealedPassword },
          after: {
            ...boundRow(to ?? undefined),
            sealedPassword: password === undefined ? sealedPassword : vault.seal(password),
          },
        },
        data: {},
        lanes: [exclusiveLane(clone), ...(to === null ? [] : [bindingLane(clone.environment, to)])],
        fingerprint: JSON.stringify(['clone.bind', clone.id, to]),
        ...jobOn('clone', clone, caller),
      });
    },
  };
}
