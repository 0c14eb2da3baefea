/** Which clones of finished branches this person may be offered to destroy, and how each is described. */
import { userInfo } from 'node:os';
import type { Proposal } from '../../engine/protocol/entities.ts';
import { ageOf, sizeOf, timeUntil } from '../views/amounts.ts';
import { repositoryName } from './checkoutText.ts';

const reasons: Readonly<Record<Proposal['reason'], string>> = {
  merged: 'branch merged',
  deleted: 'branch deleted',
  'remote-deleted': 'branch deleted on the remote',
  'worktree-removed': 'working tree removed',
};

/** Why it is left alone; undefined when it may be destroyed. */
export function leftAlone(proposal: Proposal, user: string = userInfo().username): string | undefined {
  if (proposal.isProtected) return 'protected';
  return proposal.createdBy === user ? undefined : `of ${proposal.createdBy}`;
}

export const isOffered = (proposal: Proposal): boolean => leftAlone(proposal) === undefined;

/** "branch merged 3 days ago · made 12 days ago by anna · 12 MB" */
export function proposalText(proposal: Proposal, now: number): string {
  const { unshared } = proposal.bytes;
  return [
    `${reasons[proposal.reason]} ${ageOf(proposal.since, now)}`,
    `made ${ageOf(proposal.createdAt, now)} by ${proposal.createdBy}`,
    unshared === null ? undefined : `frees ${sizeOf(unshared)}`,
    repositoryName(proposal.repository),
    proposal.destroyAt === null ? undefined : `destroyed in ${timeUntil(proposal.destroyAt, now)}`,
  ]
    .filter((part) => part !== undefined)
    .join(' · ');
}
