import assert from 'node:assert/strict';
import { fail } from '../../../engine/protocol/errors.ts';
import { failedHost } from '../../../src/dialogs/failedHost.ts';
import { fakeEnvironment, fakeJob } from '../cli/fakeEngine.ts';

describe('the host whose doctor an error offers', () => {
  const onHost = (name: string, host: string) =>
    fakeEnvironment({ name, definition: { ...fakeEnvironment().definition, host } });
  const environments = new Map(
    [onHost('shop', 'local'), onHost('audits', 'builds')].map((each) => [each.name as string, each]),
  );
  const missing = fail('programs_missing', { what: 'pg_dump', searched: [], install: '' }).document;

  it('is the one of the environment that the job was about', () => {
    assert.equal(failedHost(missing, fakeJob({ environment: 'audits' }), environments), 'builds');
    assert.equal(failedHost(missing, fakeJob({ environment: 'shop' }), environments), 'local');
  });
  it('is the one that the error names', () => {
    const unreachable = fail('host_unreachable', { host: 'far', problem: 'no route' }).document;
    assert.equal(failedHost(unreachable, fakeJob({ environment: 'shop' }), environments), 'far');
    const refused = fail('host_login', { host: 'far', address: 'ssh://far', problem: 'no' }).document;
    assert.equal(failedHost(refused, undefined, environments), 'far');
    assert.equal(
      failedHost(fail('no_snapshot', { environment: 'audits' }).document, undefined, environments),
      'builds',
    );
  });
  it('is asked for when nothing tells, and is never the host of a source', () => {
    assert.equal(failedHost(missing, undefined, environments), undefined);
    assert.equal(failedHost(missing, fakeJob({ environment: 'gone' }), environments), undefined);
    const refused = fail('source_refused', { host: 'db.example.org', port: 5432 }).document;
    assert.equal(failedHost(refused, undefined, environments), undefined);
  });
});
