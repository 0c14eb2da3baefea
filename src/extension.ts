/** Composition root of the extension: wires everything once, and starts nothing. */
import { userInfo } from 'node:os';
import * as vscode from 'vscode';
import { homePaths, processEnvironment, type HomePaths } from '../engine/protocol/node/home.ts';
import type { ConnectOptions } from '../engine/protocol/node/launch.ts';
import { createWindowCheckouts } from './checkouts/windowCheckouts.ts';
import { registerCommands, restoreDetailsPage } from './commands/registerCommands.ts';
import { runCommand } from './commands/runCommand.ts';
import { registerDocuments } from './documents.ts';
import { createSession } from './engine/session.ts';
import { NotTrusted, type Services } from './services.ts';
import { createSourcePasswords } from './sources/sourcePasswords.ts';
import { registerDetailsPages } from './webviews/detailsPages.ts';
import { registerJobPages } from './webviews/jobPages.ts';
import { retryAndShow, retryOf } from './webviews/retryJob.ts';
import { publishContextKeys } from './views/contextKeys.ts';
import { createStatusBar } from './views/statusBar.ts';
import { createTree, treeWindow, viewId } from './views/treeProvider.ts';

/** For our own tests and benchmark; not an interface for other extensions. */
export interface ExtensionExports {
  readonly services: Services;
  /** How long `activate` took. */
  readonly activationMs: number;
  /** When the bundle had been read, compiled and run, by `performance.now()`. */
  readonly loadedAt: number;
}

const loadedAt = performance.now();

/** The engine reads its settings when it starts. */
function offerRestart(services: Services): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration(async (change) => {
    const concerned =
      change.affectsConfiguration('thinClones.programs') || change.affectsConfiguration('thinClones.storage');
    if (!concerned || services.session.state.kind !== 'connected') return;
    const restart = 'Restart Engine';
    const chosen = await vscode.window.showInformationMessage(
      'The engine uses the new settings after a restart. Clones go on meanwhile.',
      restart,
    );
    if (chosen === restart) await runCommand('thinClones.engine.restart');
  });
}

const untrusted = 'This folder is not trusted, so Thin Clones starts nothing and connects to nothing.';

async function connectOptionsOf(
  context: vscode.ExtensionContext,
  paths: HomePaths,
  start: boolean,
  signal: AbortSignal,
): Promise<ConnectOptions> {
  if (!vscode.workspace.isTrusted) throw new NotTrusted(untrusted);
  const [{ locateEngine }, { engineSettings, programFolders }] = await Promise.all([
    import('./engine/locate.ts'),
    import('./engine/settings.ts'),
  ]);
  const program = start
    ? await locateEngine({
        extensionPath: context.extensionPath,
        version: (context.extension.packageJSON as { version: string }).version,
        bundledPrograms: programFolders(context),
        settings: engineSettings(),
        execPath: process.execPath,
        hasSqlite: process.getBuiltinModule('node:sqlite' as string) !== undefined,
        nodeVersion: process.version,
      })
    : undefined;
  return { paths, user: userInfo().username, program, signal };
}

export function activate(context: vscode.ExtensionContext): ExtensionExports {
  const started = performance.now();
  const log = vscode.window.createOutputChannel('Thin Clones', { log: true });
  const paths = homePaths(processEnvironment());

  const connectOptions = (start: boolean, signal: AbortSignal): Promise<ConnectOptions> =>
    connectOptionsOf(context, paths, start, signal);

  let isViewVisible = (): boolean => false;
  const session = createSession({
    async reach({ start, signal }) {
      const { connectEngine } = await import('../engine/protocol/node/launch.ts');
      return await connectEngine(await connectOptions(start, signal));
    },
    async end(connection, signal) {
      const launch = await import('../engine/protocol/node/launch.ts');
      const options = await connectOptions(false, signal ?? AbortSignal.timeout(15_000));
      await launch.stopEngine(connection, options);
    },
    wanted: () => isViewVisible() || checkouts.follower.isWanted(),
    log: (level, text) => (level === 'info' ? log.info(text) : log.warn(text)),
  });
  const checkouts = createWindowCheckouts({ session, context, log: (text) => log.info(text) });
  const tree = createTree(session, treeWindow(checkouts));
  isViewVisible = () => tree.view.visible;

  const jobPages = registerJobPages({
    extensionUri: context.extensionUri,
    feed: async () => (await import('./webviews/jobFeed.ts')).createJobFeed(session),
    retryOf(job, show) {
      const retry = retryOf(job);
      return retry && (() => retryAndShow(job, retry, session.model, show));
    },
    log: (text) => log.info(text),
  });
  const detailsPages = registerDetailsPages((row, panel) => restoreDetailsPage(services, row, panel));
  const services: Services = Object.freeze({
    context,
    session,
    log,
    paths,
    passwords: createSourcePasswords(context.secrets, paths.home),
    tree: tree.access,
    checkouts,
    jobPages,
    detailsPages,
    async client() {
      if (!vscode.workspace.isTrusted) throw new NotTrusted(untrusted);
      if (session.state.kind === 'connected') return await session.connect();
      return await vscode.window.withProgress({ location: { viewId } }, () => session.connect());
    },
  } satisfies Services);

  const connectForView = (): void => {
    if (!vscode.workspace.isTrusted || !tree.view.visible) return;
    if (session.state.kind !== 'idle') return;
    services.client().catch((error: unknown) => {
      // The view shows it: state "failed" has its own welcome text.
      log.warn('The engine could not be reached', error);
    });
  };
  context.subscriptions.push(
    log,
    { dispose: () => session.dispose() },
    tree,
    tree.view.onDidChangeVisibility(connectForView),
    vscode.workspace.onDidGrantWorkspaceTrust(connectForView),
    checkouts,
    publishContextKeys(session, checkouts),
    createStatusBar(session, checkouts),
    jobPages,
    detailsPages,
    registerDocuments(),
    offerRestart(services),
    registerCommands(services),
  );
  // The view may have been what activated the extension; then it is visible and no event comes.
  setTimeout(connectForView, 0);
  const follow = async (): Promise<void> => {
    const { followBranches } = await import('./checkouts/followBranches.ts');
    context.subscriptions.push(followBranches(services, tree.view));
  };
  // After activation, which it must not hold up.
  setTimeout(() => void follow(), 0);
  return { services, activationMs: performance.now() - started, loadedAt };
}
