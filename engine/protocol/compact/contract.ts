/** What the build writes down of the routes table; made here, where no build has been. */
import { describeContract, type CompactContract } from './describe.ts';

export const contract: CompactContract = describeContract();
