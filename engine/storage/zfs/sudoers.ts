/** The lines that let the engine's user run, through sudo, exactly the commands of the driver and nothing else. */

import { asOptions, installationProperty, recommended, trashProperties } from './properties.ts';

/** sudo takes regular expressions since 1.9.10: a wildcard would also stand for spaces, and so for other datasets. */
export const oldestSudo = '1.9.10';

const escaped = (text: string): string => text.replace(/[.+]/g, '\\$&');
const id = 'data-[a-z2-7]{16}';
const chance = '[0-9a-f]{12}';
const ours = '-o thin-clones:[a-z]+=[A-Za-z0-9._:/+@-]* ';

export interface Sudoers {
  /** Who the engine runs as. */
  user: string;
  /** "1000:1000". */
  owner: string;
  zfs: string;
  /** The parent, and where it is mounted. */
  dataset: string;
  mountpoint: string;
}

export function sudoersLines(given: Sudoers): string[] {
  const parent = escaped(given.dataset);
  const [data, trash] = [`${parent}/data`, `${parent}/trash`];
  const ownProperties = (properties: Readonly<Record<string, string>>): string =>
    [...asOptions(properties).map(escaped), `-o ${installationProperty}=inst-[a-z2-7]{16}`].join(' ');
  const zfs = [
    `create ${ownProperties(recommended)} ${data}`,
    `create ${ownProperties(trashProperties)} ${trash}`,
    `create (${ours})+${data}/${id}`,
    `clone (${ours})+${data}/${id}@(kept|${id}\\.${chance}) ${data}/${id}`,
    `snapshot ${data}/${id}@(kept|${id}\\.${chance})`,
    `hold thin-clones ${data}/${id}@kept`,
    `release thin-clones ${trash}/${id}\\.${chance}@kept`,
    `set (readonly=on|readonly=off|(thin-clones:[a-z]+=[A-Za-z0-9._:/+@-]* ?)+) ${data}/${id}`,
    `rename ${data}/${id} ${trash}/${id}\\.${chance}`,
    `destroy -d ${data}/${id}@${id}\\.${chance}`,
    `destroy ${trash}/${id}\\.${chance}(@%)?`,
    `mount ${parent}(/data(/${id})?)?`,
  ].map((args) => `${given.zfs} ^${args}$`);
  const chown = `/usr/bin/chown ^-h ${given.owner} ${escaped(given.mountpoint)}/data/${id}$`;
  return [...zfs, chown].map((command) => `${given.user} ALL=(root) NOPASSWD: ${command}`);
}
