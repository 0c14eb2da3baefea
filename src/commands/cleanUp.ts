/** Destroys clones of merged and deleted branches that somebody picks from the proposals. */
import * as vscode from 'vscode';
import type { Proposal } from '../../engine/protocol/entities.ts';
import { leftAlone, proposalText } from '../checkouts/proposals.ts';
import { runJob } from '../dialogs/followJob.ts';
import type { Services } from '../services.ts';
import { countOf, sizeOf } from '../views/amounts.ts';

interface ProposalItem extends vscode.QuickPickItem {
  readonly proposal: Proposal;
  readonly selectable: boolean;
}

export async function cleanUp(services: Services): Promise<void> {
  const client = await services.client();
  const { items } = await client.call('proposalList', {});
  if (items.length === 0) {
    void vscode.window.showInformationMessage('No clone belongs to a merged or deleted branch.');
    return;
  }
  const chosen = await pickProposals(items);
  if (chosen.length === 0) return;
  const outcomes = await Promise.allSettled(
    chosen.map(({ clone }) =>
      runJob(services, (_, options) => client.call('cloneDestroy', { params: { clone } }, options)),
    ),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function pickProposals(proposals: readonly Proposal[]): Promise<readonly Proposal[]> {
  const now = Date.now();
  const items = proposals
    .map((proposal): ProposalItem => {
      const reason = leftAlone(proposal);
      return {
        label: reason === undefined ? proposal.branch : `$(lock) ${proposal.branch}`,
        description: reason === undefined ? proposal.environment : `${reason}: left alone`,
        detail: proposalText(proposal, now),
        picked: reason === undefined,
        proposal,
        selectable: reason === undefined,
      };
    })
    .sort((a, b) => Number(b.selectable) - Number(a.selectable));
  const pick = vscode.window.createQuickPick<ProposalItem>();
  pick.title = 'Clean Up Clones of Finished Branches';
  pick.canSelectMany = true;
  pick.matchOnDescription = true;
  pick.matchOnDetail = true;
  pick.items = items;
  pick.selectedItems = items.filter(({ selectable }) => selectable);
  const tell = (): void => {
    const bytes = pick.selectedItems.reduce((sum, { proposal }) => sum + (proposal.bytes.unshared ?? 0), 0);
    const count = pick.selectedItems.length;
    pick.placeholder =
      count === 0
        ? 'Which clones are no longer needed?'
        : `Press Enter to destroy ${countOf(count, 'clone')}${bytes === 0 ? '' : ` and free ${sizeOf(bytes)}`}`;
  };
  tell();
  return new Promise((resolve) => {
    pick.onDidChangeSelection((selected) => {
      // Ticks of what is left alone come off again.
      const allowed = selected.filter(({ selectable }) => selectable);
      if (allowed.length < selected.length) pick.selectedItems = allowed;
      tell();
    });
    pick.onDidAccept(() => {
      resolve(pick.selectedItems.filter(({ selectable }) => selectable).map(({ proposal }) => proposal));
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve([]);
      pick.dispose();
    });
    pick.show();
  });
}
