/** What has to hold of the `hosts:` section beyond its shape: addresses that are data, and names that can be told apart. */
import { isFailure } from '../protocol/errors.ts';
import { isMemberName } from '../protocol/names.ts';
import { parseSshAddress } from '../protocol/sshAddress.ts';
import { isRecord, type Explained } from './wording.ts';

export function hostProblems(root: Record<string, unknown>): Explained[] {
  const problems: Explained[] = [];
  for (const [name, host] of Object.entries(isRecord(root.hosts) ? root.hosts : {})) {
    const path = ['hosts', name];
    if (name === 'local') problems.push({ path, at: 'key', text: '"local" is this machine itself' });
    else if (!isMemberName(name))
      problems.push({ path, at: 'key', text: 'expected the name of a host, without "/"' });
    if (!isRecord(host)) continue;
    const problem = typeof host.address === 'string' ? addressProblem(host.address) : undefined;
    if (problem !== undefined) problems.push({ path: [...path, 'address'], at: 'value', text: problem });
    if (host.path !== undefined && host.dataset !== undefined)
      problems.push({
        path: [...path, 'dataset'],
        at: 'key',
        text: 'expected "path" or "dataset", not both',
      });
  }
  return problems;
}

function addressProblem(address: string): string | undefined {
  try {
    parseSshAddress(address);
    return undefined;
  } catch (error) {
    if (!isFailure(error, 'host_address')) throw error;
    return `${error.message.replace(/\.$/, '')}: expected ssh://[user@]host[:port]`;
  }
}
