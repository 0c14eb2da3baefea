/** Keeps the panels of details, one for each row, and brings them back after a reload. What fills them is read with the first one. */
import * as vscode from 'vscode';
import { isRow, rowId, type RowOf } from '../views/rowId.ts';

/** package.json names it: `onWebviewPanel:thinClones.details` wakes the extension for a page to restore. */
const detailsPageType = 'thinClones.details';

export const detailedKinds = ['clone', 'snapshot', 'environment'] as const;
export type DetailedRow = RowOf<(typeof detailedKinds)[number]>;

export interface DetailsPages {
  /** The panel that is open for the row, shown, or a new one for `fill`. */
  open(row: DetailedRow, title: string, fill: (panel: vscode.WebviewPanel) => void): void;
  dispose(): void;
}

export function registerDetailsPages(
  restore: (row: DetailedRow, panel: vscode.WebviewPanel) => Promise<void>,
): DetailsPages {
  const panels = new Map<string, vscode.WebviewPanel>();
  const keep = (row: DetailedRow, panel: vscode.WebviewPanel): void => {
    const id = rowId(row);
    panels.set(id, panel);
    panel.onDidDispose(() => {
      if (panels.get(id) === panel) panels.delete(id);
    });
  };
  const serializer = vscode.window.registerWebviewPanelSerializer(detailsPageType, {
    async deserializeWebviewPanel(panel, row: unknown) {
      if (!isRow(row, detailedKinds) || panels.has(rowId(row))) {
        panel.dispose();
        return;
      }
      keep(row, panel);
      await restore(row, panel);
    },
  });
  return {
    open(row, title, fill) {
      const shown = panels.get(rowId(row));
      if (shown !== undefined) {
        shown.reveal();
        return;
      }
      const panel = vscode.window.createWebviewPanel(detailsPageType, title, vscode.ViewColumn.Active);
      keep(row, panel);
      fill(panel);
    },
    dispose: () => void serializer.dispose(),
  };
}
