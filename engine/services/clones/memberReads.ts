/** The port to reads in the database of a clone's member, whichever host has it. */
import type { Row, Statement } from '../../database/database.ts';
import type { Clone, CloneMember } from '../../protocol/entities.ts';
import type { MemberName } from '../../protocol/ids.ts';

type Read = Pick<Clone, 'id' | 'name' | 'environment' | 'state' | 'members'>;

export interface MemberReads {
  /** Why it can't be read just now, for people; null when it can. */
  problem(clone: Read, member: CloneMember): Promise<string | null>;
  /** As `Database.read`. Errors: `not_found`, `read_failed`. */
  read(
    clone: Read,
    member: MemberName,
    statements: readonly Statement[],
    signal?: AbortSignal,
  ): Promise<readonly (readonly Row[])[]>;
}
