/** VS Code's own Git extension as a second source: tells when a repository shows up or its HEAD is another one. */
import * as vscode from 'vscode';
import type { Subscription } from '../engine/emitter.ts';

/** The part of its API (version 1) that is used; see extensions/git/src/api/git.d.ts of VS Code. */
interface Repository {
  readonly rootUri: vscode.Uri;
  readonly state: {
    readonly HEAD: { readonly name?: string; readonly commit?: string } | undefined;
    readonly onDidChange: vscode.Event<void>;
  };
}
interface GitApi {
  readonly repositories: readonly Repository[];
  readonly onDidOpenRepository: vscode.Event<Repository>;
  readonly onDidCloseRepository: vscode.Event<Repository>;
}
interface GitExtension {
  getAPI(version: 1): GitApi;
}

/** `changed` gets the top folder of the repository. Does nothing where the extension is missing or switched off. */
export function watchGitExtension(
  changed: (root: vscode.Uri) => void,
  log: (text: string) => void,
): Subscription {
  const watched = new Map<Repository, vscode.Disposable>();
  const subscriptions: vscode.Disposable[] = [];
  let disposed = false;

  const watch = (repository: Repository): void => {
    if (watched.has(repository)) return;
    const head = (): string => {
      const { HEAD } = repository.state;
      return `${HEAD?.name ?? ''} ${HEAD?.commit ?? ''}`;
    };
    let before = head();
    watched.set(
      repository,
      repository.state.onDidChange(() => {
        const now = head();
        if (now === before) return;
        before = now;
        changed(repository.rootUri);
      }),
    );
  };

  const start = async (): Promise<void> => {
    const extension = vscode.extensions.getExtension<GitExtension>('vscode.git');
    if (extension === undefined) return;
    try {
      const api = (extension.isActive ? extension.exports : await extension.activate()).getAPI(1);
      if (disposed) return;
      for (const repository of api.repositories) watch(repository);
      subscriptions.push(
        api.onDidOpenRepository((repository) => {
          watch(repository);
          changed(repository.rootUri);
        }),
        api.onDidCloseRepository((repository) => {
          watched.get(repository)?.dispose();
          watched.delete(repository);
        }),
      );
    } catch (error) {
      // best effort: it is switched off by `git.enabled`; the engine watches HEAD itself
      log(`VS Code's Git extension is not used: ${String(error)}`);
    }
  };
  void start();

  return {
    dispose() {
      disposed = true;
      for (const each of [...subscriptions, ...watched.values()]) each.dispose();
      watched.clear();
    },
  };
}
