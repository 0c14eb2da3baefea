/** Asks the engine whether the databases match the migration files, whenever the answer may have changed. */
import * as vscode from 'vscode';
import type { Checkout } from '../../engine/protocol/entities.ts';
import type { MigrationReport } from '../../engine/protocol/migrationReport.ts';
import { gathered, systemTimer } from '../engine/model.ts';
import type { Services } from '../services.ts';
import type { Place } from './folderFollower.ts';
import { summaryOf, type MigrationSummary } from './migrationSummary.ts';

/** Saving all files at once, or a checkout, changes many: one question is enough. */
const gatherMs = 400;

export interface MigrationWatch {
  /** Asks now. Rejects with the engine's error. */
  compare(checkout: Checkout): Promise<MigrationSummary>;
  dispose(): void;
}

export function watchMigrations(services: Services): MigrationWatch {
  const { checkouts, session } = services;
  /** What each checkout's answer was given for. */
  const asked = new Map<string, string>();
  const watched = new Map<string, { directories: string; files: vscode.Disposable }>();
  const pending = new Set<string>();

  const situation = (checkout: Checkout): string | undefined => {
    const clone = session.model.clones.get(checkout.clone ?? '');
    if (checkout.state !== 'ready' || clone?.state !== 'ready') return undefined;
    return JSON.stringify([clone.id, clone.resetAt, clone.snapshot, checkout.head, checkout.switchedAt]);
  };

  const watchFiles = (checkout: Checkout, reports: readonly MigrationReport[]): void => {
    const folders = [
      ...new Set(reports.map(({ directory }) => directory).filter((each) => each !== null && each !== '.')),
    ] as string[];
    const directories = folders.sort().join('\n');
    if (watched.get(checkout.id)?.directories === directories) return;
    watched.get(checkout.id)?.files.dispose();
    const root = vscode.Uri.file(checkout.path);
    const again = (): void => request(checkout.id);
    watched.set(checkout.id, {
      directories,
      files: vscode.Disposable.from(
        ...folders.flatMap((folder) => {
          const watcher = vscode.workspace.createFileSystemWatcher(
            new vscode.RelativePattern(vscode.Uri.joinPath(root, folder), '**'),
          );
          return [
            watcher,
            watcher.onDidChange(again),
            watcher.onDidCreate(again),
            watcher.onDidDelete(again),
          ];
        }),
      ),
    });
  };

  const compare = async (checkout: Checkout): Promise<MigrationSummary> => {
    const client = await session.connect();
    const { items } = await client.call('checkoutMigrations', { params: { checkout: checkout.id } });
    watchFiles(checkout, items);
    const summary = summaryOf(items);
    checkouts.setMigrations(checkout, summary);
    return summary;
  };

  const compareRequested = gathered(
    () => {
      for (const { checkout } of checkouts.follower.places()) {
        if (!pending.delete(checkout.id) || situation(checkout) === undefined) continue;
        compare(checkout).catch((error: unknown) => {
          // best effort: nobody asked; the command "Show Migrations" shows the failure
          services.log.info(`The migrations of ${checkout.path} were not compared: ${String(error)}`);
        });
      }
      pending.clear();
    },
    gatherMs,
    systemTimer,
  );
  const request = (id: string): void => {
    pending.add(id);
    compareRequested();
  };
  const requestAll = (): void => {
    if (session.state.kind !== 'connected') return;
    for (const { checkout } of checkouts.follower.places()) request(checkout.id);
  };

  const look = (): void => {
    const places: readonly Place[] = checkouts.follower.places();
    for (const { checkout } of places) {
      const now = situation(checkout);
      if (asked.get(checkout.id) === now) continue;
      if (now === undefined) {
        asked.delete(checkout.id);
        // While it switches the old answer is no longer true.
        if (checkouts.migrationsOf(checkout) !== undefined) checkouts.setMigrations(checkout, undefined);
      } else if (session.state.kind === 'connected') {
        asked.set(checkout.id, now);
        request(checkout.id);
      }
    }
    for (const [id, { files }] of watched) {
      if (places.some(({ checkout }) => checkout.id === id)) continue;
      files.dispose();
      watched.delete(id);
    }
  };
  look();
  const disposable = vscode.Disposable.from(
    checkouts.onDidChange(look),
    // A tool that has just run may have applied some.
    vscode.window.onDidEndTerminalShellExecution(requestAll),
    vscode.tasks.onDidEndTaskProcess(requestAll),
    vscode.window.onDidChangeWindowState(({ focused }) => {
      if (focused) requestAll();
    }),
  );
  return {
    compare,
    dispose() {
      disposable.dispose();
      for (const { files } of watched.values()) files.dispose();
    },
  };
}
