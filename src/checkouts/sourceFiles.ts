/** Knows which `.env` files of the followed folders still lead to the source of their environment, and says so. */
import * as vscode from 'vscode';
import type { EnvironmentDefinition } from '../../engine/protocol/entities.ts';
import { isSettingsFile, largestEnvFile, sourceVariables } from '../../engine/protocol/sourceVariables.ts';
import { folderName } from './checkoutText.ts';
import type { Place } from './folderFollower.ts';
import { sourceFilesText } from './sourceFileText.ts';
import { runCommand } from '../commands/runCommand.ts';
import type { Services } from '../services.ts';

const pattern = '**/{.env,.env.*}';
const ignored = '**/{node_modules,vendor,.git,dist,build,target}/**';
const atMost = 50;
/** Where somebody said that they know. */
const silencedKey = 'thinClones.sourceFiles.silenced';

export function watchSourceFiles(services: Services): vscode.Disposable {
  const { checkouts, context, session } = services;
  /** What was looked through for each checkout, and what was told of it. */
  const looked = new Map<string, string>();
  const told = new Set<string>();

  /** Undefined where there is nothing to warn of. */
  const definitionOf = (place: Place): EnvironmentDefinition | undefined => {
    const { environment, envFile } = place.checkout;
    if (environment === null || envFile?.state === 'written' || !checkouts.isConcerned(place))
      return undefined;
    return session.model.environments.get(environment)?.definition;
  };

  const scan = async ({ folder, checkout }: Place, definition: EnvironmentDefinition): Promise<void> => {
    const workspaceFolder = checkouts.workspaceFolder(folder);
    if (workspaceFolder === undefined) return;
    const files = await vscode.workspace.findFiles(
      new vscode.RelativePattern(workspaceFolder, pattern),
      ignored,
      atMost,
    );
    const names = Object.keys(checkout.variables);
    const found = await Promise.all(
      files.sort((a, b) => a.path.localeCompare(b.path)).map((file) => inFile(file, definition)),
    );
    checkouts.setSourceFiles(
      checkout,
      found.flat().map(({ file, variable }) => ({
        ...{ file: vscode.workspace.asRelativePath(file, false), variable },
        isReplaced: names.includes(variable),
      })),
    );
  };

  const look = (): void => {
    for (const place of checkouts.follower.places()) {
      const { folder, checkout } = place;
      const definition = definitionOf(place);
      const key = JSON.stringify([definition, checkout.variables]);
      if (looked.get(folder.key) !== key) {
        looked.set(folder.key, key);
        if (definition === undefined) checkouts.setSourceFiles(checkout, []);
        else
          scan(place, definition).catch((error: unknown) => {
            // best effort: files that can't be listed are files that nobody can be warned of
            services.log.warn(`The .env files of ${folder.path} can't be read: ${String(error)}`);
          });
      }
      if (isDue(place)) {
        told.add(folder.key);
        void tell(place);
      }
    }
  };

  /** Once there is a database to use instead. */
  const isDue = ({ folder, checkout }: Place): boolean =>
    checkout.state === 'ready' &&
    vscode.window.state.focused &&
    !told.has(folder.key) &&
    checkouts.sourceFilesOf(checkout).length > 0 &&
    !context.workspaceState.get<string[]>(silencedKey, []).includes(folder.key);

  const tell = async ({ folder, checkout }: Place): Promise<void> => {
    const files = checkouts.sourceFilesOf(checkout);
    const write = 'Write Variables';
    const terminal = 'New Terminal';
    const open = `Open ${files[0]?.file ?? ''}`;
    const never = "Don't Warn Again";
    // Where it has another name than our variables have, they can't replace it.
    const helps = files.some(({ isReplaced }) => isReplaced);
    const chosen = await vscode.window.showWarningMessage(
      sourceFilesText(files, checkout),
      ...(helps ? [write, terminal] : [open]),
      never,
    );
    switch (chosen) {
      case write:
        await runCommand('thinClones.branch.writeVariables', { folder: folder.key });
        return;
      case terminal:
        vscode.window.createTerminal({ cwd: folder.path, name: folderName(folder.path) }).show();
        return;
      case open:
        await vscode.commands.executeCommand(
          'vscode.open',
          vscode.Uri.joinPath(vscode.Uri.parse(folder.key, true), files[0]?.file ?? ''),
        );
        return;
      case never:
        await context.workspaceState.update(silencedKey, [
          ...context.workspaceState.get<string[]>(silencedKey, []),
          folder.key,
        ]);
        return;
      case undefined:
    }
  };

  const files = vscode.workspace.createFileSystemWatcher(pattern);
  const lookAnew = (uri: vscode.Uri): void => {
    const folder = checkouts.folderOf(uri);
    if (folder === undefined || !isSettingsFile(folderName(uri.path))) return;
    looked.delete(folder.key);
    look();
  };
  look();
  return vscode.Disposable.from(
    files,
    files.onDidChange(lookAnew),
    files.onDidCreate(lookAnew),
    files.onDidDelete(lookAnew),
    checkouts.onDidChange(look),
    vscode.window.onDidChangeWindowState(look),
  );
}

async function inFile(
  file: vscode.Uri,
  definition: EnvironmentDefinition,
): Promise<{ file: vscode.Uri; variable: string }[]> {
  if (!isSettingsFile(folderName(file.path))) return [];
  try {
    const bytes = await vscode.workspace.fs.readFile(file);
    if (bytes.byteLength > largestEnvFile) return [];
    return sourceVariables(new TextDecoder().decode(bytes), definition).map(({ variable }) => ({
      file,
      variable,
    }));
  } catch {
    // best effort: a file that can't be read is one that nobody can be warned of
    return [];
  }
}
