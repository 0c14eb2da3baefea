/** The extension's end of one job page: gives its panel the document, the job and the lines, and does what it asks for. */
import * as vscode from 'vscode';
import { isFailure, toFailure } from '../../engine/protocol/errors.ts';
import type { Job } from '../../engine/protocol/entities.ts';
import {
  fromPageSchema,
  toPageSchema,
  type FromPage,
  type Problem,
  type ToPage,
} from '../../webview-ui/jobs/messages.ts';
import { createInbox } from '../../webview-ui/shared/inbox.ts';
import type { FeedConnection, JobFeed } from './jobFeed.ts';
import { createLineRelay } from './lineRelay.ts';
import { pageHtml } from './pageDocument.ts';

export interface JobPageOptions {
  readonly panel: vscode.WebviewPanel;
  readonly id: string;
  readonly feed: JobFeed;
  readonly extensionUri: vscode.Uri;
  readonly log: (text: string) => void;
  /** What does a job again; undefined where nothing does. */
  readonly retryOf: (job: Job) => (() => Promise<void>) | undefined;
}

/** Shown until the engine says what the job is. */
const unknownTitle = 'Job';

const notTrusted: Problem = {
  message: 'This folder is not trusted.',
  next: 'Trust it with "Workspaces: Manage Workspace Trust", then connect.',
};

const problemOf = (error: unknown): Problem => {
  const { message, document } = toFailure(error);
  return { message, next: document.next };
};

/** Ends by itself when its panel is closed. */
export function openJobPage({ panel, id, feed, extensionUri, log, retryOf }: JobPageOptions): void {
  const { webview } = panel;
  const folder = vscode.Uri.joinPath(extensionUri, 'dist', 'webviews');
  const asset = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
  const ended = new AbortController();

  const send = (message: ToPage): void => {
    if (ended.signal.aborted) return;
    // best effort: false while the page is hidden, which asks again when it is shown
    void webview.postMessage(toPageSchema.parse(message));
  };
  const sendConnection = (connection: FeedConnection): void => {
    const problem = connection.kind === 'disconnected' ? connection.problem : null;
    send({ kind: 'connection', state: connection.kind, problem });
  };
  const sendJob = (job: Job): void => {
    panel.title = job.title;
    send({ kind: 'job', job, canRetry: retryOf(job) !== undefined });
  };

  const relay = createLineRelay({
    fetch: (after, signal) => feed.lines(id, after, signal),
    send: (lines) => send({ kind: 'lines', lines: [...lines] }),
    onFailure(error) {
      // The page says itself that there is no engine; the lines come when it is back.
      if (feed.connection.kind !== 'connected') return;
      log(`The log of ${id} could not be read: ${toFailure(error).message}`);
    },
  });

  const readJob = async (): Promise<void> => {
    try {
      sendJob(await feed.job(id, ended.signal));
    } catch (error) {
      if (ended.signal.aborted || feed.connection.kind !== 'connected') return;
      if (isFailure(error, 'not_found')) send({ kind: 'gone' });
      else log(`${id} could not be read: ${toFailure(error).message}`);
    }
  };

  const connect = async (): Promise<void> => {
    // Connecting starts an engine when none runs; nothing is started in a folder that is not trusted.
    if (!vscode.workspace.isTrusted) {
      send({ kind: 'connection', state: 'disconnected', problem: notTrusted });
      return;
    }
    try {
      await feed.connect();
    } catch (error) {
      send({ kind: 'connection', state: 'disconnected', problem: problemOf(error) });
    }
  };

  const handle = async (message: FromPage): Promise<void> => {
    switch (message.kind) {
      case 'ready':
        sendConnection(feed.connection);
        await readJob();
        relay.start(message.through);
        return;
      case 'took':
        relay.took(message.through);
        return;
      case 'cancel':
        try {
          sendJob(await feed.cancel(id));
        } catch (error) {
          send({ kind: 'refused', problem: problemOf(error) });
        }
        return;
      case 'retry':
        await retryOf(await feed.job(id, ended.signal))?.();
        return;
      case 'connect':
        await connect();
        return;
      case 'copy':
        await vscode.env.clipboard.writeText(message.text);
        vscode.window.setStatusBarMessage(
          message.lines === 1 ? 'Copied 1 line' : `Copied ${message.lines.toLocaleString()} lines`,
          3000,
        );
        return;
      case 'dropped':
        log(`The page of ${id} dropped ${message.count} messages that it could not read.`);
    }
  };

  const inbox = createInbox(
    fromPageSchema,
    (message) =>
      void handle(message).catch((error: unknown) => {
        log(`The page of ${id}: ${toFailure(error).message}`);
      }),
    (count) => log(`${count} messages from the page of ${id} were dropped: they could not be read.`),
  );

  const subscriptions = [
    webview.onDidReceiveMessage((message: unknown) => inbox.receive(message)),
    feed.onEvent((event) => {
      switch (event.kind) {
        case 'job':
          if (event.entity.id === id) sendJob(event.entity);
          break;
        case 'job.removed':
          if (event.id === id) send({ kind: 'gone' });
          break;
        case 'jobLine':
          if (event.entity.job === id) relay.line(event.entity);
          break;
        case 'resync':
          void readJob();
          relay.lookAgain();
      }
    }),
    feed.onDidChangeConnection((connection) => {
      sendConnection(connection);
      if (connection.kind !== 'connected') return;
      void readJob();
      relay.lookAgain();
    }),
    panel.onDidChangeViewState(() => {
      // A hidden page is unloaded; it says that it is ready when it is shown again.
      if (!panel.visible) relay.stop();
    }),
  ];
  panel.onDidDispose(() => {
    ended.abort();
    relay.stop();
    for (const subscription of subscriptions) subscription.dispose();
  });

  webview.options = { enableScripts: true, localResourceRoots: [folder] };
  webview.html = pageHtml({
    cspSource: webview.cspSource,
    script: asset('job.js'),
    style: asset('job.css'),
    title: unknownTitle,
    data: { job: id },
  });
  if (feed.connection.kind === 'disconnected') void connect();
}
