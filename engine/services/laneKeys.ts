/** Which lane each object has: what a job on it holds, and what others ask of the runner. */
import type { Binding } from '../domain/bindings.ts';
import type { CloneId, CloneName, EnvironmentName, SnapshotId } from '../protocol/ids.ts';
import type { Lane } from '../state/store.ts';

/** A clone or a snapshot, for whoever changes it. */
export const exclusiveLane = ({ id }: { readonly id: CloneId | SnapshotId }): Lane => ({
  key: id,
  mode: 'exclusive',
});

/** A snapshot, for whoever stands on it: many may, and none removes it meanwhile. */
export const sharedLane = ({ id }: { readonly id: SnapshotId }): Lane => ({ key: id, mode: 'shared' });

export const environmentLane = (name: EnvironmentName): Lane => ({ key: `env:${name}`, mode: 'exclusive' });

/** A name that no clone has yet. */
export const cloneNameLane = (name: CloneName): Lane => ({ key: `name:${name}`, mode: 'exclusive' });

/** So that a branch gets one clone. */
export const bindingLane = (
  environment: EnvironmentName,
  { installation, repository, branch }: Binding,
): Lane => ({
  key: `binding:${JSON.stringify([environment, installation ?? null, repository, branch])}`,
  mode: 'exclusive',
});
