/** Wires what joins other hosts to the engine of this machine. */
import { join } from 'node:path';
import { broughtEngine, type BroughtEngine } from './broughtEngine.ts';
import { byEngine } from './database/engines.ts';
import { createRefuser, type Refuser } from './endpoint/tcp/refuser.ts';
import { openDeclinedHosts } from './hub/declinedHosts.ts';
import { fileOfHost } from './hub/fileOfHost.ts';
import { createHub, type Hub } from './hub/hub.ts';
import { keptDoorsIn } from './hub/keptDoors.ts';
import { noKnownHosts, openKnownHosts, type KnownHost } from './hub/knownHosts.ts';
import { loopbackDoors } from './hub/loopbackDoors.ts';
import { openRememberedClones } from './hub/rememberedClones.ts';
import type { OwnNames } from './hub/router.ts';
import type { Life } from './life.ts';
import { uninstallWork } from './link/deploy/uninstall.ts';
import { installedEngine } from './link/ssh/installedEngine.ts';
import { createSshLink, type FarWork } from './link/ssh/sshLink.ts';
import type { Log } from './ports/log.ts';
import { systemClock, systemRandom } from './process/clock.ts';
import { keptText } from './process/keptText.ts';
import type { Settings } from './process/settings.ts';
import { toFailure } from './protocol/errors.ts';
import type { CloneId, JobId, SnapshotId } from './protocol/ids.ts';
import type { HomePaths } from './protocol/node/home.ts';
import { formatSshAddress, parseSshAddress } from './protocol/sshAddress.ts';

export async function startHub({
  paths,
  log,
  life,
  ssh,
  engineDirectory,
}: {
  paths: HomePaths;
  log: Log;
  life: Pick<Life, 'present'>;
  ssh: Settings['ssh'];
  engineDirectory: string;
}): Promise<Hub> {
  const known = await openKnownHosts(keptText(paths.hosts), paths.hosts).catch((error: unknown) => {
    log.error('other hosts can not be reached', { problem: toFailure(error).message });
    return noKnownHosts(error);
  });
  let brought: Promise<BroughtEngine | undefined> | undefined;
  /** Looked for when the first host is reached; where nothing can be brought, what is installed there is used. */
  const workThere = async (host: KnownHost): Promise<FarWork> => {
    const found = await (brought ??= broughtEngine({ engineDirectory, into: paths.archives }));
    return found?.(variablesThere(host)) ?? installedEngine;
  };
  return createHub({
    known,
    declined: await openDeclinedHosts(keptText(join(paths.hostsFolder, 'declined.json')), log),
    linkTo(host) {
      const { name, address: text } = host;
      const address = parseSshAddress(text);
      const options = {
        ...{ name, address, environment: process.env },
        ...(ssh.program !== undefined && { program: ssh.program }),
        ...(ssh.configFile !== undefined && { configFile: ssh.configFile }),
      };
      return {
        address: formatSshAddress(address),
        open: async (opening) => createSshLink({ ...options, work: await workThere(host) }).open(opening),
        async uninstall({ onBegin, ...opening }) {
          const left: string[] = [];
          const work = uninstallWork({ onBegin, onLeft: (path) => left.push(path) });
          const stream = await createSshLink({ ...options, work }).open(opening);
          stream.close();
          await stream.ended;
          return left;
        },
      };
    },
    keptOf: ({ name }) => keptText(join(paths.hostsFolder, fileOfHost(name))),
    doors: loopbackDoors(refuser(life)),
    remembered: await openRememberedClones(
      keptText(join(paths.hostsFolder, 'remembered.json')),
      systemClock.now().toISOString(),
      log,
    ),
    keptDoors: keptDoorsIn(keptText(join(paths.hostsFolder, 'doors.json')), log),
    ownPorts: () => ownPorts(life),
    ...{ clock: systemClock, random: systemRandom, log },
    publish: (event) => life.present()?.context.feed.publish(event),
    isOwn: ownIds(life),
    ownEnvironments: () => ownEnvironments(life),
  });
}

/** As the stable ports of this machine refuse. */
export const refuser = (life: Pick<Life, 'present'>): Refuser =>
  createRefuser({
    wires: byEngine(({ wire }) => wire),
    certificate: () => life.present()?.context.certificates.current(),
  });

/** Where its engine keeps data, as its own settings name it. */
const variablesThere = ({ path, dataset }: KnownHost): Record<string, string> => ({
  ...(path !== undefined && { THIN_CLONES_STORAGE_PATH: path }),
  ...(dataset !== undefined && { THIN_CLONES_STORAGE_DATASET: dataset }),
});

/** Whether this machine's engine has an object of an id. */
export const ownIds =
  (life: Pick<Life, 'present'>) =>
  (id: string): boolean => {
    const store = life.present()?.context.store;
    return (
      store !== undefined &&
      (store.clones.get(id as CloneId) ??
        store.snapshots.get(id as SnapshotId) ??
        store.jobs.get(id as JobId)) !== undefined
    );
  };

export const ownEnvironments = (life: Pick<Life, 'present'>): string[] =>
  life
    .present()
    ?.context.store.environments.list()
    .map(({ name }) => name) ?? [];

export const ownPorts = (life: Pick<Life, 'present'>): Set<number> => {
  const { clones, checkouts } = life.present()?.context.store ?? {};
  const ofClones = (clones?.list() ?? []).flatMap(({ members }) => members);
  const ofCheckouts = (checkouts?.list() ?? []).flatMap(({ ports }) => ports);
  return new Set([...ofClones, ...ofCheckouts].map(({ port }) => port));
};

/** Names of this machine's own things. */
export const ownNames = (life: Pick<Life, 'present'>): OwnNames => ({
  clones: () =>
    life
      .present()
      ?.context.store.clones.list()
      .map(({ name }) => name) ?? [],
  snapshots: () => life.present()?.context.store.snapshots.list() ?? [],
});
