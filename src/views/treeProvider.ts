/** Puts the rows into VS Code's tree, and tells it what to draw again when the engine says something new. */
import * as vscode from 'vscode';
import type { Subscribe, Subscription } from '../engine/emitter.ts';
import { folderName } from '../checkouts/checkoutText.ts';
import type { WindowCheckouts } from '../checkouts/windowCheckouts.ts';
import { commandFor } from '../commands/runCommand.ts';
import type { EngineSession } from '../engine/session.ts';
import type { TreeAccess } from '../services.ts';
import { findFocusedRow } from './focusedRow.ts';
import { parseRowId, rowId, type RowKind, type RowReference } from './rowId.ts';
import { isRefreshed } from './snapshotText.ts';
import { describeRow } from './tooltips.ts';
import type { Row } from './row.ts';
import {
  compareRows,
  hostLevelOf,
  rowsUnder,
  treeState,
  type TreeState,
  type WindowState,
} from './treeRows.ts';

export const viewId = 'thinClones.environments';
const fadedScheme = 'thin-clones-faded';
/** Ages are written in minutes. */
const ageTickMs = 60_000;

/** Below what a note stands, by its name; most stand below an environment. */
const noteParents: Readonly<Record<string, RowKind>> = { noClone: 'clones', noEnvironment: 'host' };

const collapsible = {
  none: vscode.TreeItemCollapsibleState.None,
  collapsed: vscode.TreeItemCollapsibleState.Collapsed,
  expanded: vscode.TreeItemCollapsibleState.Expanded,
} as const;

function themeIcon(icon: Row['icon']): vscode.ThemeIcon | undefined {
  if (icon === undefined) return undefined;
  return icon.color === undefined
    ? new vscode.ThemeIcon(icon.id)
    : new vscode.ThemeIcon(icon.id, new vscode.ThemeColor(icon.color));
}

/** Labels have no colour of their own in VS Code: it comes from a decoration of the row's address. */
const fadedDecorations: vscode.FileDecorationProvider = {
  provideFileDecoration(uri) {
    if (uri.scheme !== fadedScheme) return undefined;
    return new vscode.FileDecoration(
      undefined,
      uri.query === 'engine' ? 'The engine is stopped' : 'Out of reach',
      new vscode.ThemeColor('disabledForeground'),
    );
  },
};

/** What the tree needs to know of its window. */
export interface TreeWindow {
  state(): Omit<WindowState, 'engine'>;
  readonly onDidChange: Subscribe<undefined>;
}

export const treeWindow = (checkouts: WindowCheckouts): TreeWindow => ({
  state: () => windowState(checkouts),
  onDidChange: checkouts.onDidChange,
});

function windowState(checkouts: WindowCheckouts): Omit<WindowState, 'engine'> {
  const places = checkouts.follower.places().filter(({ checkout }) => checkout.clone !== null);
  return {
    unchosen: checkouts
      .folders()
      .filter((folder) => checkouts.follower.lacksEnvironment(folder))
      .map(({ path }) => folderName(path)),
    current: new Set(places.map(({ checkout }) => checkout.clone ?? '')),
    migrations: new Map(
      places.flatMap(({ checkout }) => {
        const trouble = checkouts.migrationsOf(checkout)?.trouble;
        return trouble === undefined ? [] : [[checkout.clone ?? '', `migrations: ${trouble}`] as const];
      }),
    ),
  };
}

/** Before the first connection there is nothing to show. */
function engineOf({ state: { kind } }: EngineSession): WindowState['engine'] {
  return kind === 'connected' || kind === 'idle' ? 'running' : kind;
}

/** What the tree would show now. */
export const treeNow = (session: EngineSession, checkouts: WindowCheckouts): TreeState =>
  treeState(session.model, Date.now(), { ...windowState(checkouts), engine: engineOf(session) });

export function createTree(
  session: EngineSession,
  window: TreeWindow,
): Subscription & {
  readonly access: TreeAccess;
  readonly view: vscode.TreeView<RowReference>;
} {
  const changed = new vscode.EventEmitter<RowReference[] | undefined>();
  /** VS Code knows a row by the identity of its element: one object for each id. */
  const elements = new Map<string, RowReference>();
  const shown = new Map<string, readonly Row[]>();
  const computed = (): TreeState =>
    treeState(session.model, Date.now(), { ...window.state(), engine: engineOf(session) });
  let state = computed();
  let fresh = true;
  let lookedAt = -Infinity;

  const now = (): TreeState => {
    if (!fresh) state = computed();
    fresh = true;
    return state;
  };
  const elementOf = (reference: RowReference): RowReference => {
    const id = rowId(reference);
    const known = elements.get(id);
    if (known !== undefined) return known;
    elements.set(id, reference);
    return reference;
  };
  const rowsOf = (parent: RowReference | undefined): Row[] => rowsUnder(now(), parent);
  const rowOf = (reference: RowReference): Row | undefined => {
    const parent = parentOf(reference);
    return rowsOf(parent).find(({ id }) => id === rowId(reference));
  };
  const parentOf = (reference: RowReference): RowReference | undefined => {
    const { entities } = now();
    switch (reference.kind) {
      case 'host':
        return undefined;
      case 'environment': {
        const host = hostLevelOf(entities, reference.key);
        return host === undefined ? undefined : elementOf({ kind: 'host', key: host });
      }
      case 'clones':
      case 'snapshots':
      case 'saved':
        return elementOf({ kind: 'environment', key: reference.key });
      case 'clone': {
        const environment = entities.clones.get(reference.key)?.environment;
        return environment === undefined ? undefined : elementOf({ kind: 'clones', key: environment });
      }
      case 'snapshot': {
        const snapshot = entities.snapshots.get(reference.key);
        if (snapshot === undefined) return undefined;
        return elementOf({ kind: isRefreshed(snapshot) ? 'snapshots' : 'saved', key: snapshot.environment });
      }
      case 'note': {
        if (reference.key.endsWith('/')) return undefined;
        const [name = ''] = reference.key.split('/', 1);
        return elementOf({
          kind: noteParents[name] ?? 'environment',
          key: reference.key.slice(name.length + 1),
        });
      }
    }
  };

  /** Rows by id as they were last computed, so that drawing 500 rows does not look each of them up again. */
  const rows = new Map<string, Row>();

  const provider: vscode.TreeDataProvider<RowReference> = {
    onDidChangeTreeData: changed.event,
    getChildren(parent) {
      const children = rowsOf(parent);
      shown.set(parent === undefined ? '' : rowId(parent), children);
      for (const row of children) rows.set(row.id, row);
      return children.map((row) => elementOf(row.reference));
    },
    getTreeItem(reference) {
      const row = rows.get(rowId(reference)) ?? rowOf(reference);
      if (row === undefined) return new vscode.TreeItem('');
      const item = new vscode.TreeItem(row.label, collapsible[row.children]);
      // VS Code keeps a row folded that had nothing below it: as one of several a host is another row.
      item.id = reference.kind === 'host' ? `${row.id} ${row.children}` : row.id;
      item.description = row.description;
      item.contextValue = row.context;
      item.accessibilityInformation = { label: row.spoken };
      const icon = themeIcon(row.icon);
      if (icon !== undefined) item.iconPath = icon;
      if (row.command !== undefined || reference.kind === 'clone')
        item.command = commandFor(row.label, 'thinClones.row.open', reference);
      if (row.faded !== undefined) {
        // Else VS Code takes the row's address for a folder's, and shows its icon.
        item.iconPath ??= new vscode.ThemeIcon('blank');
        const query = row.faded === 'engine stopped' ? 'engine' : '';
        item.resourceUri = vscode.Uri.from({ scheme: fadedScheme, path: `/${row.id}`, query });
        item.tooltip = tooltip(reference) ?? row.label;
      }
      return item;
    },
    getParent: parentOf,
    resolveTreeItem(item, reference) {
      item.tooltip = tooltip(reference) ?? item.tooltip;
      return item;
    },
  };
  const tooltip = (reference: RowReference): vscode.MarkdownString | undefined => {
    const text = describeRow(computed(), reference);
    return text === undefined ? undefined : new vscode.MarkdownString(text, true);
  };

  const view = vscode.window.createTreeView(viewId, {
    treeDataProvider: provider,
    showCollapseAll: true,
    canSelectMany: true,
  });

  const refresh = (): void => {
    fresh = false;
    if (!view.visible && shown.size > 0) {
      // Nobody looks: when the view comes back, VS Code asks for everything that this event names.
      shown.clear();
      rows.clear();
      changed.fire(undefined);
      return;
    }
    const result = compareRows(shown, (parent) => rowsOf(parent === '' ? undefined : parseRowId(parent)));
    shown.clear();
    if (result.change === 'everything') {
      rows.clear();
      changed.fire(undefined);
      return;
    }
    for (const [parent, children] of result.rows) {
      shown.set(parent, children);
      for (const row of children) rows.set(row.id, row);
    }
    if (result.change.length > 0) changed.fire(result.change.map((id) => elementOf(parseRowId(id))));
  };

  const nextRefresh = (): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        subscription.dispose();
        clearTimeout(patience);
        // After our own listener, which takes the new rows.
        setImmediate(resolve);
      };
      const subscription = session.model.onDidChange(done);
      const patience = setTimeout(done, 1000);
    });

  const tick = setInterval(() => {
    if (view.visible) refresh();
  }, ageTickMs);
  const disposable = vscode.Disposable.from(
    view,
    changed,
    session.model.onDidChange(refresh),
    session.onDidChangeState(refresh),
    window.onDidChange(refresh),
    { dispose: () => clearInterval(tick) },
    vscode.window.registerFileDecorationProvider(fadedDecorations),
  );
  return {
    view,
    access: {
      selection: () => view.selection,
      async focused() {
        if (!view.visible) return undefined;
        try {
          return await findFocusedRow(view);
        } finally {
          lookedAt = performance.now();
        }
      },
      lookedAt: () => lookedAt,
      commandOf: (reference) => rowOf(reference)?.command,
      labelOf: (reference) => rowOf(reference)?.label ?? reference.key,
      async reveal(reference, { focus } = { focus: false }) {
        if (!view.visible) return;
        // The engine's answer can overtake the event that brings the row.
        if (rowOf(reference) === undefined) await nextRefresh();
        if (rowOf(reference) === undefined) return;
        await view.reveal(elementOf(reference), { select: true, focus, expand: false });
      },
    },
    dispose: () => void disposable.dispose(),
  };
}
