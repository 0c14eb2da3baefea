/** Adds up what the daemon says of each layer of an image that it gets. */

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageCreate */
export interface PullMessage {
  status?: string;
  /** Of the layer. */
  id?: string;
  progressDetail?: { current?: number; total?: number };
}

/** Half of a layer is to get it, half to unpack it; how large it is, is known when it begins. */
const PARTS: Readonly<Record<string, number>> = { Downloading: 0, Extracting: 0.5 };
const WHOLE = new Set(['Pull complete', 'Already exists']);
const GOT = new Set(['Download complete', 'Verifying Checksum']);

/** The fraction that is told never falls, though layers appear that nobody knew of. */
export function createPullProgress(tell: (fraction: number) => void): (message: PullMessage) => void {
  const layers = new Map<string, number>();
  let highest = 0;
  return ({ status = '', id, progressDetail }) => {
    if (id === undefined) return;
    const { current = 0, total = 0 } = progressDetail ?? {};
    const part = PARTS[status];
    if (status === 'Pulling fs layer' || status === 'Waiting') layers.set(id, layers.get(id) ?? 0);
    else if (WHOLE.has(status)) layers.set(id, 1);
    else if (GOT.has(status)) layers.set(id, 0.5);
    else if (part !== undefined && total > 0) layers.set(id, part + current / total / 2);
    else return;
    const sum = [...layers.values()].reduce((all, each) => all + each, 0);
    const fraction = Math.min(1, sum / layers.size);
    if (fraction <= highest) return;
    highest = fraction;
    tell(fraction);
  };
}
