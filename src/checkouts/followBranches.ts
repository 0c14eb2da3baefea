/** Everything that goes on while branches are followed; loaded after activation. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { hintAtCleanUp } from './cleanUpHint.ts';
import { showMigrationDiagnostics } from './migrationDiagnostics.ts';
import { watchMigrations } from './migrationWatch.ts';
import { askAboutBranches } from './question.ts';
import { tellOfLostEnvironments } from './lostEnvironment.ts';
import { watchSourceFiles } from './sourceFiles.ts';
import { askAboutVariables } from './variableQuestion.ts';
import { handOutVariables } from './variables.ts';

export function followBranches(
  services: Services,
  view: { badge?: vscode.ViewBadge | undefined },
): vscode.Disposable {
  services.checkouts.start();
  return vscode.Disposable.from(
    handOutVariables(services),
    askAboutBranches(services),
    tellOfLostEnvironments(services),
    askAboutVariables(services),
    watchMigrations(services),
    showMigrationDiagnostics(services),
    hintAtCleanUp(services, view),
    watchSourceFiles(services),
  );
}
