import assert from 'node:assert/strict';
import { mongoSource } from '../../../engine/database/mongodb/source.ts';
import { parseMongoUrl, writeMongoUrl } from '../../../engine/protocol/connectionUrl/mongoUrl.ts';

describe('URLs of MongoDB', () => {
  for (const [url, hasPassword, withoutPassword] of [
    ['mongodb://db.example.org/shop', false, 'mongodb://db.example.org/shop'],
    [
      'mongodb://ada:secret@db.example.org:27018/shop?authSource=admin',
      true,
      'mongodb://ada@db.example.org:27018/shop?authSource=admin',
    ],
    ['mongodb+srv://ada:s%40cret@cluster0.example.net', true, 'mongodb+srv://ada@cluster0.example.net'],
    [
      'mongodb://a,b:27018,[::1]:27019/?replicaSet=rs0',
      false,
      'mongodb://a,b:27018,[::1]:27019/?replicaSet=rs0',
    ],
    ['mongodb://%2Ftmp%2Fmongodb-27017.sock/shop', false, 'mongodb://%2Ftmp%2Fmongodb-27017.sock/shop'],
  ] as const) {
    it(`reads ${url}`, () => {
      assert.deepEqual(mongoSource.readUrl(url), { ok: true, hasPassword, withoutPassword });
    });
  }

  for (const [url, scheme] of [
    ['postgresql://db/shop', 'postgresql'],
    ['shop', null],
    ['mongodb://', undefined],
    ['mongodb://ada:sec@ret@db/shop', undefined],
    ['mongodb://ada:%ZZ@db/shop', undefined],
  ] as const) {
    it(`refuses ${url}`, () => {
      const read = mongoSource.readUrl(url);
      assert.ok(!read.ok);
      assert.equal(read.scheme, scheme);
    });
  }

  it('writes what it read, with any password', () => {
    for (const password of ['simple', 'with @:/?#%& and ü', '']) {
      const url = parseMongoUrl('mongodb://ada@db:1/shop?tls=true');
      assert.ok(url);
      assert.equal(parseMongoUrl(writeMongoUrl(url, password))?.password, password);
    }
  });

  it('names what means nothing for MongoDB', () => {
    const keys = mongoSource
      .foreignTo({
        retrieval: 'dump',
        user: 'app',
        include: { schemas: ['a'] },
        exclude: { extensions: ['b'], collections: ['c'] },
      })
      .map(({ key }) => key);
    assert.deepEqual(keys, ['user', 'include.schemas', 'exclude.extensions', 'retrieval']);
    assert.deepEqual(mongoSource.foreignTo({ retrieval: 'logical', exclude: { collections: ['c'] } }), []);
  });
});
