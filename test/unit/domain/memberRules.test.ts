import assert from 'node:assert/strict';
import { memberProblems, type UrlRules } from '../../../engine/domain/memberRules.ts';
import { engines } from '../../../engine/database/engines.ts';

const [{ source }] = engines;
const ofUrl = (url: string, rules: UrlRules = source) =>
  memberProblems({ engine: 'postgres', retrieval: 'logical', url }, rules);

describe("a member's definition", () => {
  it('says where its data is by the one key of its retrieval', () => {
    assert.deepEqual(memberProblems({ retrieval: 'logical' }, source), [{ kind: 'missing', key: 'url' }]);
    assert.deepEqual(memberProblems({ retrieval: 'directory', directory: '/d', dump: '/f' }, source), [
      { kind: 'foreign', key: 'dump', own: 'directory' },
    ]);
    assert.deepEqual(memberProblems({ retrieval: 'dump', dump: '/f' }, source), []);
  });

  it('is asked nothing of a retrieval or a URL that is unknown', () => {
    for (const retrieval of ['physical', 'toString', 7, undefined])
      assert.deepEqual(memberProblems({ retrieval, dump: '/f' }, source), []);
    assert.deepEqual(memberProblems({ retrieval: 'logical', url: 'mongodb://u:p@h/d' }, undefined), []);
  });

  it("has a URL of its engine's schemes", () => {
    for (const url of ['postgresql://u@h/d', 'POSTGRES://u@h/d', 'postgresql:///d?host=/run/postgresql'])
      assert.deepEqual(ofUrl(url), []);
    assert.deepEqual(ofUrl('http://u@h/d'), [{ kind: 'scheme', key: 'url', scheme: 'http' }]);
    assert.deepEqual(ofUrl('not a url'), [{ kind: 'scheme', key: 'url', scheme: null }]);
  });

  it('has a URL that its engine can use', () => {
    for (const url of [
      'postgresql://u@a:1,b:2/d',
      'postgresql+psycopg2://u@h/d?connection_limit=5',
      'host=/run/postgresql dbname=d',
      'Host=h;Database=d;Username=u',
    ])
      assert.deepEqual(ofUrl(url), []);
    assert.deepEqual(
      ofUrl('postgresql://u@h:port/d').map(({ kind }) => kind),
      ['url'],
    );
    assert.deepEqual(ofUrl('postgresql://u@h:99999/d'), [
      { kind: 'url', key: 'url', problem: 'its port is not a number from 1 to 65535' },
    ]);
  });

  for (const [url, withoutPassword] of [
    ['postgresql://u:p@h/d', 'postgresql://u@h/d'],
    ['postgresql://u:p@a:1,b:2/d', 'postgresql://u@a:1,b:2/d'],
    ['postgresql://u:pa/ss@h/d', 'postgresql://u@h/d'],
    ['postgresql://u@h/d?Password=p&sslmode=require', 'postgresql://u@h/d?sslmode=require'],
    ['postgresql://u@h/d?pass%77ord=p', 'postgresql://u@h/d'],
    ['http://u:p@h/d', 'http://u@h/d'],
    ['host=h dbname=d user=u password=p', 'postgresql://u@h/d'],
    ['Host=h;Database=d;Username=u;Pwd=p', 'postgresql://u@h/d'],
    ['jdbc:postgresql://h/d?user=u&password=p', 'postgresql://u@h/d'],
  ] as const)
    it(`has no password in its URL, as in ${url}`, () => {
      assert.deepEqual(ofUrl(url), [{ kind: 'password', key: 'url', withoutPassword }]);
    });
});
