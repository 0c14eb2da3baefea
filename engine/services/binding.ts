/** Binds a clone to a branch, and takes it off again: with it goes the password that all clones of the repository share. */
import * as z from 'zod';
import { cloneUser } from '../domain/naming.ts';
import type { JobKind } from '../jobs/steps.ts';
import type { Job } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { cloneIdSchema, type Reference } from '../protocol/ids.ts';
import type { CloneRecord } from '../state/store.ts';
import type { CloneTagging } from './cloneTagging.ts';
import type { Caller } from './caller.ts';
import { all, type ServiceContext } from './context.ts';
import type { Servers } from './servers.ts';
import { cloneTags } from './tags.ts';

/** Null: to none. */
export type BindingTarget = { repository: string; branch: string } | null;

export interface Bindings {
  /**
   * Without a password the clone keeps its own. Throws `binding_taken` when the branch has another clone, `clone_not_ready`,
   * `busy`.
   */
  bind(clone: Reference, to: BindingTarget, password: string | undefined, caller: Caller): Job;
  readonly kinds: readonly JobKind[];
}

/** What a job holds so that a branch gets one clone. */
export const bindingLane = (
  environment: string,
  to: { repository: string; branch: string },
): { key: string; mode: 'exclusive' } => ({
  key: `binding:${JSON.stringify([environment, to.repository, to.branch])}`,
  mode: 'exclusive',
});

const bindingSchema = z.object({
  repository: z.string().nullable(),
  branch: z.string().nullable(),
  sealedPassword: z.string(),
});
const bindInput = z.object({ clone: cloneIdSchema, before: bindingSchema, after: bindingSchema });
type BindInput = z.infer<typeof bindInput>;

export function createBindings(context: ServiceContext, servers: Servers, tagging: CloneTagging): Bindings {
  const { store, catalog, vault, runner, storage } = context;

  const cloneOf = (id: CloneRecord['id']): CloneRecord => catalog.clone(id);

  /** The password counts from now on: in running servers at once, in stopped ones when they start. */
  const setPassword = async (
    clone: CloneRecord,
    sealedPassword: string,
    signal?: AbortSignal,
  ): Promise<void> => {
    const durable = catalog.environment(clone.environment).definition.clones.durable ?? true;
    const login = { user: cloneUser, password: vault.open(sealedPassword) };
    await all(clone.members, async (member) => {
      if (await servers.running(member))
        await servers.start(member, { title: clone.name, durable, login, signal });
    });
  };

  const tag = async (clone: CloneRecord): Promise<void> => {
    await all(clone.members, ({ name, dataset }) =>
      storage.tag(dataset, cloneTags(context, clone, name, dataset, 'ready')),
    );
  };

  const samePassword = ({ before, after }: BindInput): boolean =>
    vault.open(before.sealedPassword) === vault.open(after.sealedPassword);

  const bindKind: JobKind<BindInput, object> = {
    type: 'clone.bind',
    input: bindInput,
    data: z.object({}),
    steps: () => [
      {
        name: 'Password',
        async run({ input, signal }) {
          if (!samePassword(input))
            await setPassword(cloneOf(input.clone), input.after.sealedPassword, signal);
          return undefined;
        },
        async undo({ input }) {
          if (!samePassword(input)) await setPassword(cloneOf(input.clone), input.before.sealedPassword);
          return undefined;
        },
      },
      {
        name: 'Bind',
        commits: true,
        async run({ input }) {
          await tag({ ...cloneOf(input.clone), ...input.after });
          return () => store.clones.put({ ...cloneOf(input.clone), ...input.after, finished: null });
        },
        async undo({ input }) {
          await tag({ ...cloneOf(input.clone), ...input.before });
          return undefined;
        },
      },
    ],
    ended: ({ clone }) => tagging.afterJob(clone),
  };

  return {
    bind(reference, to, password, caller) {
      const clone = catalog.clone(reference);
      const holder = runner.holder([{ key: clone.id, mode: 'exclusive' }]);
      if (holder === undefined && clone.state !== 'ready' && clone.state !== 'stopped')
        throw fail('clone_not_ready', { clone: clone.name, state: clone.state });
      if (to !== null) {
        const taken = catalog.clonesOfBranch(clone.environment, to).find(({ id }) => id !== clone.id);
        if (taken !== undefined) throw fail('binding_taken', { branch: to.branch, clone: taken.name });
      }
      const { repository, branch, sealedPassword } = clone;
      return runner.submit({
        kind: bindKind,
        title: to === null ? `Unbind clone ${clone.name}` : `Bind clone ${clone.name} to ${to.branch}`,
        input: {
          clone: clone.id,
          before: { repository, branch, sealedPassword },
          after: {
            ...(to ?? { repository: null, branch: null }),
            sealedPassword: password === undefined ? sealedPassword : vault.seal(password),
          },
        },
        data: {},
        lanes: [
          { key: clone.id, mode: 'exclusive' },
          ...(to === null ? [] : [bindingLane(clone.environment, to)]),
        ],
        fingerprint: JSON.stringify(['clone.bind', clone.id, to]),
        createdBy: caller.user,
        idempotencyKey: caller.idempotencyKey,
        environment: clone.environment,
        object: { kind: 'clone', id: clone.id, name: clone.name },
      });
    },
    kinds: [bindKind],
  };
}
