import assert from 'node:assert/strict';
import { libpqArguments, libpqEnvironment } from '../../../engine/database/postgres/access/libpq.ts';
import { passwordIn } from '../../../engine/database/postgres/access/passfile.ts';
import { serviceIn } from '../../../engine/database/postgres/access/serviceFile.ts';

describe('a file of passwords', () => {
  const wanted = { host: 'db:1', port: 5432, database: 'shop', user: 'anna' };
  for (const [line, password] of [
    ['db\\:1:5432:shop:anna:secret', 'secret'],
    ['*:*:*:*:se\\:cr\\\\et', 'se:cr\\et'],
    ['*:*:*:*:a:b', 'a'],
    ['#*:*:*:*:secret', undefined],
    ['*:5433:*:*:secret', undefined],
    ['*:*:*:otto:secret', undefined],
    ['*:*:*:*:', undefined],
    ['no fields', undefined],
  ] as const)
    it(`is read as libpq does: ${line}`, () => assert.equal(passwordIn(`\n${line}\n`, wanted), password));

  it('has its first line that fits', () => {
    assert.equal(passwordIn('x:*:*:*:no\n*:*:*:*:first\n*:*:*:*:second', wanted), 'first');
  });
});

describe('a file of services', () => {
  const text =
    '# c\n[a]\nhost=h\n\n  port = 5433\nuser=x=y\n[b]\nhost=other\n[ldap]\nldap://h/x\n[deep]\nservice=a\n';
  it('has a section for each, of keys and values as they stand', () => {
    assert.deepEqual(serviceIn(text, 'a', 'f'), [
      ['host', 'h'],
      ['port', ' 5433'],
      ['user', 'x=y'],
    ]);
    assert.deepEqual(serviceIn(text, 'b', 'f'), [['host', 'other']]);
    assert.equal(serviceIn(text, 'c', 'f'), undefined);
  });

  it('is refused where it leads elsewhere', () => {
    assert.throws(() => serviceIn(text, 'ldap', 'f'), /without "="|LDAP/);
    assert.throws(() => serviceIn(text, 'deep', 'f'), /service in a service/);
  });
});

describe("what libpq's programs are told of a source", () => {
  it('holds secrets in variables alone', () => {
    const source = {
      ...{ host: 'h', hostaddr: '10.0.0.1', port: 1, user: 'u', database: 'd', password: 'hunter2' },
      ...({ sslMode: 'require', keyPassword: undefined, connectSeconds: 10 } as const),
      parameters: { sslkey: '/k', keepalives_idle: '30', options: '-c work_mem=1MB', require_auth: 'md5' },
    };
    assert.deepEqual(libpqArguments(source), ['--dbname=keepalives_idle=30']);
    const environment = libpqEnvironment(source, { startOptions: false });
    assert.equal(environment['PGPASSWORD'], 'hunter2');
    assert.equal(environment['PGHOSTADDR'], '10.0.0.1');
    assert.equal(environment['PGREQUIREAUTH'], 'md5');
    assert.equal(environment['PGOPTIONS'], '-c work_mem=1MB');
    const { PGOPTIONS = '' } = libpqEnvironment(source, { startOptions: true });
    assert.match(PGOPTIONS, /^-c work_mem=1MB -c default_transaction_read_only=on/);
  });
});
