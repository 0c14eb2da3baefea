/** What commands, views and pages share: wired once in extension.ts and handed to each of them. */
import type { ExtensionContext, LogOutputChannel } from 'vscode';
import type { Client } from '../engine/protocol/client.ts';
import type { HomePaths } from '../engine/protocol/node/home.ts';
import type { WindowCheckouts } from './checkouts/windowCheckouts.ts';
import type { EngineSession } from './engine/session.ts';
import type { SourcePasswords } from './sources/sourcePasswords.ts';
import type { FocusedRow } from './views/focusedRow.ts';
import type { RowReference } from './views/rowId.ts';
import type { RowCommand } from './views/row.ts';
import type { DetailsPages } from './webviews/detailsPages.ts';

export interface Services {
  readonly context: ExtensionContext;
  readonly session: EngineSession;
  readonly log: LogOutputChannel;
  readonly paths: HomePaths;
  readonly passwords: SourcePasswords;
  readonly tree: TreeAccess;
  readonly checkouts: WindowCheckouts;
  readonly jobPages: { show(id: string): Promise<void> };
  readonly detailsPages: Pick<DetailsPages, 'open'>;
  /** The engine's client; starts the engine when none runs, with progress shown. Throws `NotTrusted` in an untrusted folder. */
  client(): Promise<Client>;
}

export interface TreeAccess {
  /** What is selected in the tree. */
  selection(): readonly RowReference[];
  /** The row that a key was pressed on; undefined when no row of the tree has the focus. */
  focused(): Promise<FocusedRow | undefined>;
  /** When it was last found out which row that is, by `performance.now()`. */
  lookedAt(): number;
  /** What a click on a row does. */
  commandOf(reference: RowReference): RowCommand | undefined;
  /** What people read there. */
  labelOf(reference: RowReference): string;
  /** Selects a row when the tree is in view, without taking the focus unless that is asked for. */
  reveal(reference: RowReference, options?: { readonly focus: boolean }): Promise<void>;
}

/** Somebody asked for the engine in a folder that is not trusted: there nothing is started. */
export class NotTrusted extends Error {
  override readonly name = 'NotTrusted';
}
