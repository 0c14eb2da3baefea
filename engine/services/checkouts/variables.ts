/** Keeps the variables of a checkout right in the file that carries them, when one is wanted. */
import type { WorkingTree } from '../../git/git.ts';
import type { Checkout, Connection, Endpoint } from '../../protocol/entities.ts';
import { fail, toFailure } from '../../protocol/errors.ts';
import { expandVariables } from '../../protocol/variables.ts';
import type { Workspace } from '../../protocol/workspace.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';

export interface CheckoutVariables {
  state(): Checkout['envFile'];
  /** Writes what changed; problems become part of the state. */
  keep(wanted: {
    record: CheckoutRecord;
    tree: WorkingTree;
    workspace: Workspace | undefined;
    templates: Checkout['variables'];
    endpoints: readonly Endpoint[];
  }): Promise<void>;
  /** Errors: `env_file_failed`. */
  takeOut(record: CheckoutRecord, tree: WorkingTree, workspace: Workspace | undefined): Promise<void>;
}

/** How to log in through a checkout's ports. */
export function checkoutConnections(
  context: ServiceContext,
  record: CheckoutRecord,
  endpoints: readonly Endpoint[],
): Connection[] {
  const password = context.vault.open(record.sealedPassword);
  return endpoints.map(({ member, engine, host, port, user, database }) => ({
    ...{ name: member, engine, host, port, user, password, database },
  }));
}

export function createCheckoutVariables(context: ServiceContext): CheckoutVariables {
  const { git, workspaceFiles } = context;
  let state: Checkout['envFile'] = null;
  let written = '';

  return {
    state: () => state,
    async keep({ record, tree, workspace, templates, endpoints }) {
      const file = record.envFile?.file ?? workspace?.envFile;
      if (file === undefined) {
        state = null;
        written = '';
        return;
      }
      const values = expandVariables(templates, checkoutConnections(context, record, endpoints));
      const text = JSON.stringify([tree.path, file, record.envFile?.allowTracked ?? false, values]);
      if (text === written && state?.state === 'written') return;
      try {
        if (record.envFile?.allowTracked !== true && (await git.isTracked(tree, file))) {
          const { message } = fail('env_file_tracked', { file });
          state = { file, state: 'needs-consent', problem: message };
          return;
        }
        await workspaceFiles.writeBlock(tree.path, file, values);
        written = text;
        const isIgnored = record.envFile?.allowTracked === true || (await git.isIgnored(tree, file));
        state = {
          ...{ file, state: 'written' },
          problem: isIgnored ? null : `Git does not ignore ${file}, and a password stands in it.`,
        };
      } catch (error) {
        // The ports work without it; people see the reason at the checkout.
        state = { file, state: 'failed', problem: toFailure(error).message };
      }
    },
    async takeOut(record, tree, workspace) {
      const file = record.envFile?.file ?? workspace?.envFile;
      if (file === undefined || state?.state === 'needs-consent') return;
      await workspaceFiles.writeBlock(tree.path, file, null);
      state = null;
      written = '';
    },
  };
}
