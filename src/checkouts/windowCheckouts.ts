/** The checkouts of this window: gives the follower VS Code's folders, settings and events, and knows the one that people work in. */
import * as vscode from 'vscode';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { createEmitter, type Subscribe } from '../engine/emitter.ts';
import type { EngineSession } from '../engine/session.ts';
import { headText } from './checkoutText.ts';
import { surveyFolder } from './declaration.ts';
import { createFolderFollower, type Folder, type FolderFollower, type Place } from './folderFollower.ts';
import { followSetting } from './followSetting.ts';
import { watchGitExtension } from './gitExtension.ts';
import type { MigrationSummary } from './migrationSummary.ts';
import type { SourceFile } from './sourceFileText.ts';

const rememberedKey = 'thinClones.followed';

export interface WindowCheckouts {
  readonly follower: FolderFollower;
  folders(): readonly Folder[];
  /** The folder of the active editor, else the one that was active before, else the first one. */
  currentFolder(): Folder | undefined;
  current(): Place | undefined;
  workspaceFolder(folder: Folder): vscode.WorkspaceFolder | undefined;
  folderOf(uri: vscode.Uri): Folder | undefined;
  /** What was last said about a checkout's migrations, while that holds. */
  migrationsOf(checkout: Checkout): MigrationSummary | undefined;
  setMigrations(checkout: Checkout, summary: MigrationSummary | undefined): void;
  /** The `.env` files that still lead to the source of the checkout's environment. */
  sourceFilesOf(checkout: Checkout): readonly SourceFile[];
  setSourceFiles(checkout: Checkout, files: readonly SourceFile[]): void;
  /**
   * Whether somebody wants a database for this folder, or is asked about it: at the first change of its branch, not for being
   * opened. An unrelated repository must find nothing of ours because the engine happens to run.
   */
  isConcerned(place: Place): boolean;
  /** A checkout, its migrations, or which one is the current one. */
  readonly onDidChange: Subscribe<undefined>;
  /** Begins to look: after activation, which it must not hold up. */
  start(): void;
  dispose(): void;
}

function foldersOfWindow(): Folder[] {
  if (!vscode.workspace.isTrusted) return [];
  return (vscode.workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === 'file')
    .map(({ uri }) => ({ key: uri.toString(), path: uri.fsPath }));
}

export function createWindowCheckouts({
  session,
  context,
  log,
}: {
  session: EngineSession;
  context: vscode.ExtensionContext;
  log: (text: string) => void;
}): WindowCheckouts {
  const changed = createEmitter<undefined>();
  const migrations = new Map<string, MigrationSummary>();
  const sourceFiles = new Map<string, readonly SourceFile[]>();
  /** What each checkout had checked out when this window first saw it. */
  const first = new Map<string, string>();
  let last: string | undefined;
  const subscriptions: { dispose(): unknown }[] = [];

  const remembered = new Set(context.workspaceState.get<string[]>(rememberedKey, []));
  const follower = createFolderFollower({
    session,
    folders: foldersOfWindow,
    chosen: followSetting,
    survey: ({ path }) => surveyFolder(path),
    remembered: {
      has: ({ key }) => remembered.has(key),
      set({ key }, followed) {
        if (remembered.has(key) === followed) return;
        if (followed) remembered.add(key);
        else remembered.delete(key);
        void context.workspaceState.update(rememberedKey, [...remembered]);
      },
    },
    log,
  });

  const folderOf = (uri: vscode.Uri): Folder | undefined => {
    const key = vscode.workspace.getWorkspaceFolder(uri)?.uri.toString();
    return key === undefined ? undefined : foldersOfWindow().find((folder) => folder.key === key);
  };
  const currentFolder = (): Folder | undefined => {
    const open = foldersOfWindow();
    const active = vscode.window.activeTextEditor?.document.uri;
    const found = active === undefined ? undefined : folderOf(active);
    if (found !== undefined) last = found.key;
    return (
      found ??
      open.find(({ key }) => key === last) ??
      open.find((folder) => follower.checkoutOf(folder) !== undefined) ??
      open[0]
    );
  };

  const checkouts: WindowCheckouts = {
    follower,
    folders: foldersOfWindow,
    currentFolder,
    current() {
      const folder = currentFolder();
      const checkout = folder === undefined ? undefined : follower.checkoutOf(folder);
      return folder === undefined || checkout === undefined ? undefined : { folder, checkout };
    },
    workspaceFolder: ({ key }) =>
      vscode.workspace.workspaceFolders?.find(({ uri }) => uri.toString() === key),
    folderOf,
    migrationsOf: ({ id }) => migrations.get(id),
    setMigrations({ id }, summary) {
      if (summary === undefined) migrations.delete(id);
      else migrations.set(id, summary);
      changed.emit(undefined);
    },
    sourceFilesOf: ({ id }) => sourceFiles.get(id) ?? [],
    setSourceFiles({ id }, files) {
      if (JSON.stringify(sourceFiles.get(id) ?? []) === JSON.stringify(files)) return;
      sourceFiles.set(id, files);
      changed.emit(undefined);
    },
    isConcerned({ folder, checkout }) {
      if (follower.isAdopted(folder)) return true;
      const { id, state } = checkout;
      const hasMoved = first.has(id) && first.get(id) !== headText(checkout);
      return hasMoved && state !== 'none' && state !== 'off';
    },
    onDidChange: changed.subscribe,
    start() {
      const files = vscode.workspace.createFileSystemWatcher('**/thin-clones.{yaml,yml}');
      const lookAtFile = (uri: vscode.Uri): void => {
        const folder = folderOf(uri);
        if (folder !== undefined) follower.lookAt(folder);
      };
      subscriptions.push(
        files,
        files.onDidChange(lookAtFile),
        files.onDidCreate(lookAtFile),
        files.onDidDelete(lookAtFile),
        follower.onDidChange(() => {
          for (const { checkout } of follower.places())
            if (!first.has(checkout.id)) first.set(checkout.id, headText(checkout));
          changed.emit(undefined);
        }),
        vscode.window.onDidChangeActiveTextEditor(() => {
          if (foldersOfWindow().length > 1) changed.emit(undefined);
        }),
        vscode.workspace.onDidChangeWorkspaceFolders(() => follower.look()),
        vscode.workspace.onDidGrantWorkspaceTrust(() => follower.look()),
        vscode.workspace.onDidChangeConfiguration((change) => {
          if (change.affectsConfiguration('thinClones.branches.follow')) follower.look();
        }),
        watchGitExtension((root) => {
          for (const folder of foldersOfWindow()) {
            const { path } = vscode.Uri.parse(folder.key, true);
            if (path === root.path || path.startsWith(`${root.path}/`)) follower.lookAt(folder);
          }
        }, log),
      );
      follower.look();
    },
    dispose() {
      follower.dispose();
      for (const subscription of subscriptions.splice(0)) subscription.dispose();
    },
  };
  return checkouts;
}
