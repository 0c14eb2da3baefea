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
  for (const [name, environment] of Object.entries(isRecord(root.environments) ? root.environments : {})) {
    if (!isRecord(environment)) continue;
    const path = ['environments', name];
    takeKeys(environment, path, reservedEnvironmentKeys);
    if (typeof environment.host === 'string' && environment.host !== 'local')
      takeValue([...path, 'host'], `host "${environment.host}", hosts other than "local"`);
    for (const [memberName, member] of Object.entries(
      isRecord(environment.members) ? environment.members : {},
    )) {
      if (!isRecord(member)) continue;
      const inside = [...path, 'members', memberName];
      if (member.engine === 'mongodb') takeValue([...inside, 'engine'], '"engine: mongodb", MongoDB members');
      if (member.retrieval === 'physical')
        takeValue([...inside, 'retrieval'], '"retrieval: physical", physical retrieval');
      takeKeys(member.include, [...inside, 'include'], { collections: 'collections of MongoDB members' });
      takeKeys(member.exclude, [...inside, 'exclude'], { collections: 'collections of MongoDB members' });
    }
  }
  return found;
}
