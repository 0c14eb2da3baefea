/** Gives the current branch its database: makes or starts its clone, and leads the stable ports there. */
import * as vscode from 'vscode';
import { branchOf, headText } from '../checkouts/checkoutText.ts';
import { jobEnd } from '../dialogs/followJob.ts';
import { JobFailed } from '../dialogs/failures.ts';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import { viewId } from '../views/treeProvider.ts';
import type { FolderReference } from './commandIds.ts';

export async function makeDatabase(services: Services, folder?: FolderReference): Promise<void> {
  const place = await pickPlace(services, folder, 'Database of the Current Branch');
  if (place === undefined) return;
  const { checkout } = place;
  const from = checkout.question?.branch === branchOf(checkout) ? checkout.question?.from : undefined;
  await useClone(services, checkout.id, from === undefined ? {} : { from });
}

/** Waits for what has to be made, with progress in the view. */
export async function useClone(
  services: Services,
  checkout: string,
  body: { clone?: string; from?: string },
): Promise<void> {
  const client = await services.client();
  const job = await vscode.window.withProgress({ location: { viewId } }, async () => {
    const started = await client.call('checkoutUse', { params: { checkout }, body });
    return started.job === null ? undefined : await jobEnd(services.session, started.job);
  });
  if (job?.state === 'failed') throw new JobFailed(job);
  if (job?.state === 'cancelled') return;
  const now = services.session.model.checkouts.get(checkout);
  if (now !== undefined) {
    vscode.window.setStatusBarMessage(`$(check) ${headText(now)} has its database`, 3000);
  }
}
