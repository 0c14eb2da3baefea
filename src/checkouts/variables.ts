/** Hands the variables of the followed folders to new terminals and tasks, and to debug sessions. */
import * as vscode from 'vscode';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { readRegularText } from '../../engine/protocol/node/regularFile.ts';
import { expandVariables } from '../../engine/protocol/variables.ts';
import type { Services } from '../services.ts';
import { namesInEnvFile, withVariables, type Configuration } from './debugVariables.ts';
import type { Folder } from './folderFollower.ts';
import { terminalValue } from './terminalValue.ts';

/** A debug session waits no longer than this for an engine that is being started. */
const patienceMs = 10_000;

export interface FolderVariables {
  /** Empty where no branch is followed. */
  readonly of: (folder: Folder) => Readonly<Record<string, string>>;
  dispose(): void;
}

/** What the values depend on. A switch of the branch changes none of it: the ports stay. */
const sourceOf = ({ id, follow, environment, endpoints, variables }: Checkout): string | undefined =>
  follow === 'off' || endpoints.length === 0
    ? undefined
    : JSON.stringify([
        id,
        environment,
        variables,
        endpoints.map(({ member, host, port, user, database }) => [member, host, port, user, database]),
      ]);

export function handOutVariables(services: Services): FolderVariables {
  const { checkouts, context } = services;
  const collection = context.environmentVariableCollection;
  // The values come from an engine that may not run when the window is opened again.
  collection.persistent = false;
  const values = new Map<string, { source: string; variables: Record<string, string> }>();
  const reading = new Map<string, { source: string; done: Promise<void> }>();

  const show = (...shown: Shown): void => showIn(checkouts, collection, ...shown);

  const read = async (folder: Folder, checkout: Checkout, source: string): Promise<void> => {
    try {
      const client = await services.session.connect();
      const { items } = await client.call('checkoutConnection', { params: { checkout: checkout.id } });
      const variables = expandVariables(checkout.variables, items);
      if (reading.get(folder.key)?.source !== source) return;
      const before = values.get(folder.key)?.variables;
      values.set(folder.key, { source, variables });
      if (JSON.stringify(before) !== JSON.stringify(variables)) show(folder, variables, checkout);
    } catch (error) {
      // best effort: the next change of the checkout tries again; terminals get no variables until then
      services.log.warn(`No variables for ${folder.path}: ${String(error)}`);
    } finally {
      if (reading.get(folder.key)?.source === source) reading.delete(folder.key);
    }
  };

  const look = (): void => {
    const folders = checkouts.folders();
    for (const folder of folders) {
      const checkout = checkouts.follower.checkoutOf(folder);
      // Also while the question is open: who has no database yet is better refused by the port than led to the source.
      const isMeant = checkout !== undefined && checkouts.isConcerned({ folder, checkout });
      const source = isMeant ? sourceOf(checkout) : undefined;
      if (checkout === undefined || source === undefined) {
        // An engine that is away leaves its checkouts known: this folder is followed no longer.
        if (values.delete(folder.key)) show(folder, {});
        reading.delete(folder.key);
      } else if (
        services.session.state.kind === 'connected' &&
        values.get(folder.key)?.source !== source &&
        reading.get(folder.key)?.source !== source
      ) {
        const entry = { source, done: Promise.resolve() };
        reading.set(folder.key, entry);
        entry.done = read(folder, checkout, source);
      }
    }
    for (const key of values.keys()) if (!folders.some((folder) => folder.key === key)) values.delete(key);
  };

  const variablesOf = (folder: Folder): Readonly<Record<string, string>> =>
    values.get(folder.key)?.variables ?? {};

  /** The engine may just be starting; then a debug session is worth a short wait. */
  const awaited = async (folder: Folder): Promise<Readonly<Record<string, string>>> => {
    const known = async (): Promise<void> => {
      await checkouts.follower.settled(folder);
      look();
      await reading.get(folder.key)?.done;
    };
    let patience: NodeJS.Timeout | undefined;
    await Promise.race([
      known(),
      new Promise<void>((resolve) => {
        patience = setTimeout(resolve, patienceMs);
      }),
    ]);
    clearTimeout(patience);
    return variablesOf(folder);
  };

  look();
  const disposable = vscode.Disposable.from(
    checkouts.onDidChange(look),
    services.session.onDidChangeState(look),
    vscode.debug.registerDebugConfigurationProvider('*', debuggingWith(checkouts, awaited)),
  );
  return {
    of: variablesOf,
    dispose() {
      disposable.dispose();
      collection.clear();
    },
  };
}

type Shown = [folder: Folder, variables: Readonly<Record<string, string>>, checkout?: Checkout];

/** In the terminals of a folder. */
function showIn(
  checkouts: Services['checkouts'],
  collection: vscode.GlobalEnvironmentVariableCollection,
  ...[folder, variables, checkout]: Shown
): void {
  const workspaceFolder = checkouts.workspaceFolder(folder);
  if (workspaceFolder === undefined) return;
  const scoped = collection.getScoped({ workspaceFolder });
  scoped.clear();
  for (const [name, value] of Object.entries(variables)) scoped.replace(name, terminalValue(value));
  scoped.description =
    checkout === undefined
      ? undefined
      : `The database of the current Git branch${checkout.environment === null ? '' : ` (environment ${checkout.environment})`}`;
}

const debuggingWith = (
  checkouts: Services['checkouts'],
  awaited: (folder: Folder) => Promise<Readonly<Record<string, string>>>,
): vscode.DebugConfigurationProvider => ({
  async resolveDebugConfigurationWithSubstitutedVariables(workspaceFolder, configuration) {
    const folder =
      workspaceFolder === undefined ? checkouts.currentFolder() : checkouts.folderOf(workspaceFolder.uri);
    if (folder === undefined) return configuration;
    return withVariables(configuration as vscode.DebugConfiguration & Configuration, await awaited(folder), {
      taken: await namesInFiles(configuration['envFile']),
      platform: process.platform,
    });
  },
});

async function namesInFiles(files: unknown): Promise<ReadonlySet<string>> {
  const paths = (Array.isArray(files) ? (files as unknown[]) : [files]).filter(
    (path): path is string => typeof path === 'string' && path !== '',
  );
  const names = await Promise.all(
    paths.map(async (path) => {
      try {
        return namesInEnvFile(await readRegularText(path, { links: 'followed' }));
      } catch {
        // best effort: the debugger itself says that its file can't be read
        return [];
      }
    }),
  );
  return new Set(names.flat());
}
