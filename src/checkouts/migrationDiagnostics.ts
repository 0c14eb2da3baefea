/** Shows on migration files how they stand with the branch's database, and offers what mends it. */
import * as vscode from 'vscode';
import type { FolderCommandId } from '../commands/commandIds.ts';
import { commandFor } from '../commands/runCommand.ts';
import type { Services } from '../services.ts';
import { findingsOf } from './migrationFindings.ts';

const source = 'Thin Clones';
const severities = {
  information: vscode.DiagnosticSeverity.Information,
  warning: vscode.DiagnosticSeverity.Warning,
} as const;

const isOn = (): boolean =>
  vscode.workspace.getConfiguration('thinClones').get<boolean>('migrations.diagnostics', true);

const actionsFor = ({ checkouts }: Services): vscode.CodeActionProvider => ({
  provideCodeActions({ uri }, _range, { diagnostics }) {
    const ours = diagnostics.filter((diagnostic) => diagnostic.source === source);
    if (ours.length === 0) return [];
    const action = (title: string, command: FolderCommandId): vscode.CodeAction => {
      const fix = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
      fix.diagnostics = ours;
      const folder = checkouts.folderOf(uri)?.key;
      fix.command = commandFor(title, command, ...(folder === undefined ? [] : [{ folder }]));
      return fix;
    };
    return [
      action('Show migrations of the current branch', 'thinClones.branch.showMigrations'),
      action("Reset the branch's clone", 'thinClones.branch.reset'),
      action("Reset the branch's clone to the latest snapshot", 'thinClones.branch.resetToLatest'),
    ];
  },
});

export function showMigrationDiagnostics(services: Services): vscode.Disposable {
  const { checkouts } = services;
  const collection = vscode.languages.createDiagnosticCollection('thinClones.migrations');
  let shown = '';
  const show = (): void => {
    const findings = isOn()
      ? checkouts.follower.places().flatMap(({ checkout }) =>
          findingsOf(checkout, checkouts.migrationsOf(checkout)?.reports ?? []).map((finding) => ({
            path: checkout.path,
            ...finding,
          })),
        )
      : [];
    const text = JSON.stringify(findings);
    if (text === shown) return;
    shown = text;
    collection.clear();
    const byFile = new Map<string, { uri: vscode.Uri; diagnostics: vscode.Diagnostic[] }>();
    for (const { path, file, kind, severity, message } of findings) {
      const uri = vscode.Uri.joinPath(vscode.Uri.file(path), file);
      const diagnostic = new vscode.Diagnostic(
        new vscode.Range(0, 0, 0, Number.MAX_SAFE_INTEGER),
        message,
        severities[severity],
      );
      diagnostic.source = source;
      diagnostic.code = kind;
      const entry = byFile.get(uri.toString()) ?? { uri, diagnostics: [] };
      entry.diagnostics.push(diagnostic);
      byFile.set(uri.toString(), entry);
    }
    for (const { uri, diagnostics } of byFile.values()) collection.set(uri, diagnostics);
  };
  show();
  return vscode.Disposable.from(
    collection,
    checkouts.onDidChange(show),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('thinClones.migrations.diagnostics')) show();
    }),
    vscode.languages.registerCodeActionsProvider({ scheme: 'file' }, actionsFor(services), {
      providedCodeActionKinds: [vscode.CodeActionKind.QuickFix],
    }),
  );
}
