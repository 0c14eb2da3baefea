/** A small extension for the job page's test: its pages, on a session with the scripted engine. */
import * as vscode from 'vscode';
import { createClient } from '../../../../engine/protocol/client.ts';
import { createTransport } from '../../../../engine/protocol/node/transport.ts';
import type { EngineConnection } from '../../../../engine/protocol/node/launch.ts';
import { createSession } from '../../../../src/engine/session.ts';
import { createJobFeed } from '../../../../src/webviews/jobFeed.ts';
import { registerJobPages } from '../../../../src/webviews/jobPages.ts';

async function reach(signal: AbortSignal): Promise<EngineConnection> {
  const transport = createTransport({ socketPath: process.env['THIN_CLONES_PROBE_SOCKET'] ?? '' });
  const client = createClient({
    transport,
    user: 'test',
    token: process.env['THIN_CLONES_PROBE_TOKEN'] ?? '',
  });
  const info = await client.call('engineInfo', {}, { signal });
  const started = {
    pid: info.pid,
    version: info.version,
    protocol: info.protocol,
    startedAt: info.startedAt,
  };
  const discovery = { format: 1 as const, ...started, build: '', socket: '', token: '', tcpPort: null };
  return { client, info, discovery, close: () => transport.close() };
}

export function activate(context: vscode.ExtensionContext): void {
  const output = vscode.window.createOutputChannel('Job Page Probe');
  const session = createSession({
    reach: ({ signal }) => reach(signal),
    end: async () => undefined,
    wanted: () => true,
    log: (_level, text) => output.appendLine(text),
  });
  const pages = registerJobPages({
    extensionUri: context.extensionUri,
    feed: () => createJobFeed(session),
    retryOf: () => undefined,
    log: (text) => output.appendLine(text),
  });
  const ready = vscode.window.createStatusBarItem();
  ready.text = 'Job Page Probe';
  ready.show();
  context.subscriptions.push(
    output,
    ready,
    session,
    pages,
    vscode.commands.registerCommand('jobPageProbe.show', async () => {
      const id = await vscode.window.showInputBox({ title: 'Job id' });
      if (id === undefined) return;
      await session.connect();
      await pages.show(id);
    }),
  );
}
