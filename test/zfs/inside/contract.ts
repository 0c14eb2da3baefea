/** The storage contract as it runs inside the machine. Arguments: a dataset; what the tests' names must match. */
import './runner.ts';
import { describeStorage } from '../../contract/storage/storage.contract.ts';
import { zfsFixture } from '../../contract/storage/zfsFixture.ts';

describeStorage('zfs', () => zfsFixture(process.argv[2] ?? ''));
