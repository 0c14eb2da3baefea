/** Shows what was changed in a clone since its snapshot: rows by table on a page, definitions in the diff editor. */
import * as vscode from 'vscode';
import type { Clone, CloneChanges } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { cloneNameSchema, referenceSchema } from '../../engine/protocol/ids.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickClone } from '../dialogs/pick.ts';
import { openDiff, openPage } from '../documents.ts';
import type { Services } from '../services.ts';
import { changesPage } from '../views/changesPage.ts';
import { viewId } from '../views/treeProvider.ts';
import type { RowOf } from '../views/rowId.ts';

const compareButton = 'Compare Definitions';

export async function showChanges(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Show Changes',
    placeHolder: 'In which clone?',
    accept: ({ state }) => state === 'ready',
  });
  if (clone === undefined) return;
  const client = await services.client();
  const changes = await client.call('cloneChanges', { params: { clone: referenceSchema.parse(clone.id) } });
  const snapshot = services.session.model.snapshots.get(clone.snapshot)?.name ?? clone.snapshot;
  await openPage(`Changes in ${clone.name}`, changesPage(changes, { clone: clone.name, snapshot }));
  await offerDefinitions(services, clone, changes, snapshot);
}

async function offerDefinitions(
  services: Services,
  clone: Clone,
  { counted, schema }: CloneChanges,
  snapshot: string,
): Promise<void> {
  if (!schema && counted === 'all') return;
  const chosen = await vscode.window.showInformationMessage(
    schema
      ? `Definitions were changed in ${clone.name}, perhaps only for a moment.`
      : `Nobody knows whether definitions were changed in ${clone.name}.`,
    compareButton,
  );
  if (chosen === compareButton) await compareDefinitions(services, clone, snapshot);
}

async function compareDefinitions(services: Services, clone: Clone, snapshot: string): Promise<void> {
  const [before, after] = await vscode.window.withProgress({ location: { viewId } }, async () => [
    await definitionsOfSnapshot(services, clone),
    await definitionsOf(services, clone.id),
  ]);
  const title = `Definitions: snapshot ${snapshot} and clone ${clone.name}`;
  if (before === undefined) return;
  if (before === after) {
    void vscode.window.showInformationMessage(`The definitions in ${clone.name} are those of its snapshot.`);
    return;
  }
  await openDiff(
    title,
    { name: `${snapshot} (snapshot)`, text: before },
    { name: `${clone.name} (clone)`, text: after },
  );
}

async function definitionsOf(services: Services, clone: string): Promise<string> {
  const client = await services.client();
  const { items } = await client.call('cloneDefinitions', {
    params: { clone: referenceSchema.parse(clone) },
  });
  return items
    .map(({ member, database, text }) => (items.length === 1 ? text : `-- ${member}, ${database}\n\n${text}`))
    .join('\n');
}

/** A snapshot has no server: a clone of it answers, and goes again. Undefined: that was canceled. */
async function definitionsOfSnapshot(services: Services, clone: Clone): Promise<string | undefined> {
  const made = await runJob(services, (client, options) =>
    client.call(
      'cloneCreate',
      {
        body: {
          environment: referenceSchema.parse(clone.environment),
          snapshot: referenceSchema.parse(clone.snapshot),
          name: cloneNameSchema.parse(freeName(services, clone)),
        },
      },
      options,
    ),
  );
  if (made === undefined) return undefined;
  try {
    return await definitionsOf(services, made.object.id);
  } finally {
    await destroy(services, made.object.id);
  }
}

async function destroy(services: Services, clone: string): Promise<void> {
  const params = { clone: referenceSchema.parse(clone) };
  try {
    await runJob(services, (client, options) => client.call('cloneDestroy', { params }, options));
  } catch (error) {
    // Somebody was faster.
    if (!isFailure(error, 'not_found')) throw error;
  }
}

function freeName(services: Services, { name }: Clone): string {
  const taken = new Set([...services.session.model.clones.values()].map((each) => each.name as string));
  const base = `before-${name.slice(0, 100)}`;
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(candidate)) return candidate;
  }
}
