/** Use cases of environments and their snapshots: declare, refresh, delete; test a source; edit and delete a snapshot. */
import type { JobKind } from '../../jobs/steps.ts';
import type { Job, MemberDefinition, SourceReport } from '../../protocol/entities.ts';
import { memberNameSchema, type EnvironmentName, type Reference } from '../../protocol/ids.ts';
import type { Caller } from '../caller.ts';
import { databaseOf, type ServiceContext } from '../context.ts';
import { declareEnvironment, type Declaration, type Declared } from './declare.ts';
import { createDeleteEnvironment } from './deleteEnvironment.ts';
import { createDeleteSnapshot } from './deleteSnapshot.ts';
import { createEditSnapshot, type EditSnapshot } from './editSnapshot.ts';
import { refuseUnsupported } from './refuseUnsupported.ts';
import { createRefresh, type RefreshRequest } from './refresh.ts';

export interface Environments {
  apply(name: EnvironmentName, declaration: Declaration): Declared;
  delete(environment: Reference, caller: Caller): Job;
  refresh(environment: Reference, request: RefreshRequest, caller: Caller): Job;
  deleteSnapshot(snapshot: Reference, caller: Caller): Job;
  editSnapshot: EditSnapshot['request'];
  testSource(
    member: MemberDefinition,
    password: string | undefined,
    signal?: AbortSignal,
  ): Promise<SourceReport>;
  readonly kinds: readonly JobKind[];
}

export function createEnvironments(context: ServiceContext): Environments {
  const refresh = createRefresh(context);
  const deleteEnvironment = createDeleteEnvironment(context);
  const deleteSnapshot = createDeleteSnapshot(context);
  const editSnapshot = createEditSnapshot(context);
  return {
    apply: (name, declaration) => declareEnvironment(context, name, declaration),
    delete: (environment, caller) => deleteEnvironment.request(environment, caller),
    refresh: (environment, request, caller) => refresh.request(environment, request, caller),
    deleteSnapshot: (snapshot, caller) => deleteSnapshot.request(snapshot, caller),
    editSnapshot: (...request) => editSnapshot.request(...request),
    async testSource(member, password, signal) {
      const members = { [memberNameSchema.parse('source')]: member };
      refuseUnsupported({ host: context.machine.name, members, clones: {} }, context.databases);
      return databaseOf(context, member.engine).testSource(member, password, signal);
    },
    kinds: [refresh.kind, deleteSnapshot.kind, editSnapshot.kind, deleteEnvironment.kind],
  };
}
