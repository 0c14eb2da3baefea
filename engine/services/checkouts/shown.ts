/** What people see of one checkout: told whenever it is another than before. */
import { sortVariables, type SortedVariables } from '../../domain/variables.ts';
import type { Checkout } from '../../protocol/entities.ts';
import type { EnvironmentName } from '../../protocol/ids.ts';
import { defaultVariables } from '../../protocol/variables.ts';
import type { ServiceContext } from '../context.ts';
import type { Hosts } from './hosts.ts';
import type { CheckoutPorts } from './ports.ts';
import type { CheckoutRow } from './row.ts';
import type { Sight } from './sight.ts';
import type { CheckoutSituation } from './situation.ts';
import type { CheckoutVariables } from './variables.ts';

export interface ShownCheckout {
  entity(): Checkout;
  /** Those of the file that count, and those that wait for a person's word; without a file the default ones. */
  variables(environment: EnvironmentName | null): SortedVariables;
  publish(): void;
}

export interface ShownCheckoutOptions {
  context: Pick<ServiceContext, 'feed'>;
  hosts: Pick<Hosts, 'environment'>;
  row: CheckoutRow;
  sight: Sight;
  situation: CheckoutSituation;
  ports: Pick<CheckoutPorts, 'list'>;
  variables: Pick<CheckoutVariables, 'state'>;
}

export function createShownCheckout(options: ShownCheckoutOptions): ShownCheckout {
  const { context, hosts, row, sight, situation, ports, variables } = options;
  const { feed } = context;

  const sortedVariables = (environment: EnvironmentName | null): SortedVariables => {
    const written = sight.workspace()?.variables;
    if (written !== undefined) return sortVariables(written, row.read().variableAnswers);
    const members = environment === null ? {} : (hosts.environment(environment)?.definition.members ?? {});
    return { variables: defaultVariables(Object.keys(members)), heldVariables: [] };
  };

  const entity = (): Checkout => {
    const { id, path, repository, kind, createdBy } = row.read();
    const environment = sight.environment() ?? null;
    return {
      ...{ id, path, repository, kind, environment, createdBy },
      ...{ head: sight.head(), problem: sight.problem() },
      ...situation.switched(),
      ...situation.now(),
      follow: sight.follow(),
      endpoints: [...ports.list()],
      ...sortedVariables(environment),
      envFile: variables.state(),
    };
  };

  let published = '';
  return {
    entity,
    variables: sortedVariables,
    publish() {
      const now = entity();
      const text = JSON.stringify(now);
      if (text === published) return;
      published = text;
      feed.publish({ kind: 'checkout', entity: now });
    },
  };
}
