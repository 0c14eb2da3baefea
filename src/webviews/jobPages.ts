/** Opens job pages, one for each job, and brings them back after a reload. What a page needs is loaded with the first one. */
import * as vscode from 'vscode';
import type { Job } from '../../engine/protocol/entities.ts';
import type { JobFeed } from './jobFeed.ts';

/** package.json names it: `onWebviewPanel:thinClones.job` wakes the extension for a page to restore. */
export const jobPageType = 'thinClones.job';

export interface JobPages {
  /** Opens the page of a job (`job-...`), or shows the one that is open. */
  show(id: string): Promise<void>;
  /** Open pages stay: closing them here would keep a reload from bringing them back. */
  dispose(): void;
}

export interface JobPagesOptions {
  readonly extensionUri: vscode.Uri;
  /** Made when the first page opens; a promise, so that activation does not load what it is made of. */
  readonly feed: () => JobFeed | Promise<JobFeed>;
  /** What does a job again; `show` opens the page of the job that this begins. */
  readonly retryOf: (job: Job, show: JobPages['show']) => (() => Promise<void>) | undefined;
  /** A line for the extension's log. */
  readonly log: (text: string) => void;
}

export function registerJobPages({ extensionUri, feed, retryOf, log }: JobPagesOptions): JobPages {
  const panels = new Map<string, vscode.WebviewPanel>();

  const open = async (panel: vscode.WebviewPanel, id: string): Promise<void> => {
    panels.set(id, panel);
    panel.onDidDispose(() => {
      if (panels.get(id) === panel) panels.delete(id);
    });
    const { openJobPage } = await import('./jobPage.ts');
    openJobPage({
      ...{ panel, id, extensionUri, log },
      feed: await feed(),
      retryOf: (job) => retryOf(job, show),
    });
  };

  /** Screen readers call the page by the title that it was opened with, whatever it is later. */
  const titleOf = async (id: string): Promise<string> => {
    try {
      return (await (await feed()).job(id)).title;
    } catch {
      // best effort: the page itself says what is wrong
      return 'Job';
    }
  };

  const serializer = vscode.window.registerWebviewPanelSerializer(jobPageType, {
    async deserializeWebviewPanel(panel, state: unknown) {
      const { pageStateSchema } = await import('../../webview-ui/jobs/messages.ts');
      const parsed = pageStateSchema.safeParse(state);
      if (!parsed.success || panels.has(parsed.data.job)) {
        log(
          'A job page was not restored: what it left behind is not understood, or its job is shown already.',
        );
        panel.dispose();
        return;
      }
      if (parsed.data.last !== null) panel.title = parsed.data.last.title;
      await open(panel, parsed.data.job);
    },
  });

  const show: JobPages['show'] = async (id) => {
    const shown = panels.get(id);
    if (shown !== undefined) {
      shown.reveal();
      return;
    }
    const title = await titleOf(id);
    if (panels.has(id)) return;
    const panel = vscode.window.createWebviewPanel(jobPageType, title, vscode.ViewColumn.Active);
    await open(panel, id);
  };

  return {
    show,
    dispose: () => void serializer.dispose(),
  };
}
