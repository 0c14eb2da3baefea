/** Servers and programs in containers of this machine's Docker Engine: the runtime and the images over one kept connection. */
import type { Machine } from '../../machine/machine.ts';
import type { InstallationId } from '../../protocol/ids.ts';
import type { Images } from '../images.ts';
import type { Patience } from '../process/endServer.ts';
import type { Runtime, ServerTraits } from '../runtime.ts';
import { createContainerRuntime } from './containerRuntime.ts';
import { LABELS, type DataOwner } from './containerSettings.ts';
import { connectDocker, type DockerEngine } from './dockerEngine.ts';
import { createDockerImages } from './dockerImages.ts';
import { makeOwnerFile } from './ownerFile.ts';
import { removeContainer } from './runOnce.ts';

export interface ContainersOptions {
  machine: Machine;
  traits: readonly [ServerTraits, ...ServerTraits[]];
  /** Those of the engine: DOCKER_HOST and the like. */
  variables: Readonly<Record<string, string | undefined>>;
  /** The folder of the user whose Docker configuration counts. */
  home: string;
  /** Of the engine, where it is not root. */
  user: DataOwner;
  installation: InstallationId;
  /** Where a file for containers may be made. */
  folder: string;
  patience?: Patience;
}

export interface Containers {
  runtime: Runtime;
  images: Images;
}

export function createContainers(options: ContainersOptions): Containers {
  const { machine, traits, variables, home, installation, folder, patience } = options;
  const owner = machine.serverUser ?? options.user;
  const labels = { [LABELS.installation]: installation };
  const connection = connectDocker({
    ...{ machine, variables, home },
    onOpen: (engine) => removeFinished(engine, labels),
  });
  const passwd = (): Promise<string> => makeOwnerFile(machine, folder, owner);
  const images = createDockerImages({ connection, owner, passwd, labels });
  const runtime = createContainerRuntime({
    ...{ machine, traits, connection, images, owner, passwd, labels },
    ...(patience === undefined ? {} : { patience }),
  });
  return { runtime, images };
}

/** What an engine that was killed left: nothing but containers that have ended. Those of servers are found by their next start. */
async function removeFinished(
  { client }: DockerEngine,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const filters = {
    label: Object.entries(labels).map(([name, value]) => `${name}=${value}`),
    status: ['exited', 'dead'],
  };
  for (const { Id } of await client.listContainers({ all: true, filters }))
    await removeContainer(client.getContainer(Id));
}
