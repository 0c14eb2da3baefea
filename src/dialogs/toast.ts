/** A toast with a Cancel button for work that may take a while, and the moment at which it is gone. */
import * as vscode from 'vscode';

/**
 * VS Code keeps a progress toast at least so long, even when the work took less, so that none flashes
 * (`withNotificationProgress` in src/vs/workbench/services/progress/browser/progressService.ts).
 */
const SHORTEST_MS = 800;

export interface Toasted<Result> {
  readonly result: Result;
  /** A message that is shown before this resolves stands beside the toast, which looks as if work went on. */
  readonly gone: () => Promise<void>;
}

export async function withToast<Result>(
  title: string,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Toasted<Result>> {
  const shownAt = performance.now();
  const gone = async (): Promise<void> => {
    const left = shownAt + SHORTEST_MS - performance.now();
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
  };
  const working = vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (_progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => abort.abort());
      return work(abort.signal);
    },
  );
  try {
    return { result: await working, gone };
  } catch (error) {
    // Whoever catches it shows it.
    await gone();
    throw error;
  }
}
