/** What of an environment a job holds while it works on it. */
import type { EnvironmentName } from '../../protocol/ids.ts';
import type { Lane } from '../../state/store.ts';

export const environmentLane = (name: EnvironmentName, mode: Lane['mode']): Lane => ({
  key: `env:${name}`,
  mode,
});
