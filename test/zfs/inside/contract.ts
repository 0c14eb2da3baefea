/** The storage contract as it runs inside the machine: by Node's own test runner, as only Node is brought there. */
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { describeStorage } from '../../../contract/storage/storage.contract.ts';
import { zfsFixture } from '../../../contract/storage/zfsFixture.ts';

Object.assign(globalThis, { after, afterEach, before, beforeEach, describe, it });
describeStorage('zfs', () => zfsFixture(process.argv[2] ?? ''));
