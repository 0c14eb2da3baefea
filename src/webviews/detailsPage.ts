/** The extension's end of one page of details: draws it anew when something changes, and runs the commands of its row. */
import * as vscode from 'vscode';
import { toFailure } from '../../engine/protocol/errors.ts';
import {
  fromDetailsSchema,
  toDetailsSchema,
  type DetailsView,
  type FromDetails,
} from '../../webview-ui/details/messages.ts';
import { createInbox } from '../../webview-ui/shared/inbox.ts';
import type { CommandId } from '../commands/commandIds.ts';
import type { Services } from '../services.ts';
import type { Manifest } from '../views/rowActions.ts';
import type { TreeState } from '../views/treeRows.ts';
import type { DetailedRow } from './detailsPages.ts';
import { detailsView, goneView } from './detailsView.ts';
import { pageHtml } from './pageDocument.ts';

/** Ages are written in minutes. */
const ageTickMs = 60_000;

export interface DetailsPageOptions {
  readonly services: Services;
  readonly row: DetailedRow;
  readonly panel: vscode.WebviewPanel;
  /** What is known now. */
  readonly state: () => TreeState;
  readonly run: (id: CommandId, row: DetailedRow) => Promise<void>;
}

/** Ends by itself when its panel is closed. */
export function fillDetailsPage({ services, row, panel, state, run }: DetailsPageOptions): void {
  const { webview } = panel;
  const { extensionUri, extension } = services.context;
  const folder = vscode.Uri.joinPath(extensionUri, 'dist', 'webviews');
  const asset = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
  const manifest = extension.packageJSON as Manifest;
  const isFollowed = (): boolean =>
    services.checkouts.follower.places().some(({ checkout }) => checkout.follow !== 'off');
  let shown: DetailsView | undefined;

  const viewNow = (): DetailsView | undefined => {
    const found = detailsView(
      state(),
      row,
      manifest,
      (key) => key === 'thinClones.isFollowed' && isFollowed(),
    );
    if (found !== undefined) return found;
    // Before the engine has told anything, nothing is known to be gone.
    return services.session.state.kind === 'connected' ? goneView(row, shown?.title ?? panel.title) : shown;
  };
  const show = (always: boolean): void => {
    const view = viewNow();
    if (view === undefined || (!always && JSON.stringify(view) === JSON.stringify(shown))) return;
    shown = view;
    panel.title = view.title;
    // best effort: false while the page is hidden, which asks again when it is shown
    void webview.postMessage(toDetailsSchema.parse({ kind: 'view', view }));
  };

  const handle = async (message: FromDetails): Promise<void> => {
    switch (message.kind) {
      case 'ready':
        show(true);
        return;
      case 'run': {
        const offered = shown?.actions.flatMap(({ actions }) => actions) ?? [];
        const action = offered.find(({ id }) => id === message.action);
        if (action !== undefined) await run(action.id as CommandId, row);
        return;
      }
      case 'dropped':
        services.log.info(`A page of details dropped ${message.count} messages that it could not read.`);
    }
  };
  const inbox = createInbox(
    fromDetailsSchema,
    (message) =>
      void handle(message).catch((error: unknown) => {
        services.log.warn(`A page of details: ${toFailure(error).message}`);
      }),
    (count) => services.log.info(`${count} messages from a page of details could not be read.`),
  );

  const change = (): void => show(false);
  const tick = setInterval(change, ageTickMs);
  const subscriptions = [
    webview.onDidReceiveMessage((message: unknown) => inbox.receive(message)),
    services.session.model.onDidChange(change),
    services.session.onDidChangeState(change),
    services.checkouts.onDidChange(change),
  ];
  panel.onDidDispose(() => {
    clearInterval(tick);
    for (const subscription of subscriptions) subscription.dispose();
  });
  webview.options = { enableScripts: true, localResourceRoots: [folder] };
  webview.html = pageHtml({
    cspSource: webview.cspSource,
    script: asset('details.js'),
    style: asset('details.css'),
    title: panel.title,
    data: { kind: row.kind, key: row.key },
  });
}
