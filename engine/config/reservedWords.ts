/** Known words of later versions in thin-clones.yaml: taken out, so that the rest can be checked on its own. */
import { reservedEnvironmentKeys } from '../protocol/configFile.ts';
import type { Path } from './places.ts';
import { isRecord, type Explained } from './wording.ts';

/** Changes `root`: what is found is no longer in it. */
export function takeReserved(root: Record<string, unknown>): Explained[] {
  const found: Explained[] = [];
  const takeKeys = (from: unknown, path: Path, keys: Readonly<Record<string, string>>) => {
    if (!isRecord(from)) return;
    for (const [key, meaning] of Object.entries(keys)) {
      if (!Object.hasOwn(from, key)) continue;
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the keys come from the table of reserved ones
      delete from[key];
      found.push({ path: [...path, key], at: 'key', text: `"${key}", ${meaning}` });
    }
  };
  const takeValue = (path: Path, text: string) => found.push({ path, at: 'value', text });
  const hosts = isRecord(root.hosts) ? root.hosts : {};
  for (const [name, host] of Object.entries(hosts)) {
    if (!isRecord(host) || (host.kind !== 'docker' && host.kind !== 'dblab')) continue;
    takeValue(['hosts', name, 'kind'], `"kind: ${host.kind}", hosts that are not reached by ssh`);
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the rest of it is of that kind too
    delete hosts[name];
  }
  for (const [name, environment] of Object.entries(isRecord(root.environments) ? root.environments : {})) {
    if (!isRecord(environment)) continue;
    const path = ['environments', name];
    takeKeys(environment, path, reservedEnvironmentKeys);
    for (const [memberName, member] of Object.entries(
      isRecord(environment.members) ? environment.members : {},
    )) {
      if (!isRecord(member)) continue;
      const inside = [...path, 'members', memberName];
      if (member.retrieval === 'physical')
        takeValue([...inside, 'retrieval'], '"retrieval: physical", physical retrieval');
    }
  }
  return found;
}
