/** The demo's data: a shop with customers, products, orders and their items. The same rows every time. */

/** Raise it when the statements below change, so that an existing demo is made anew. */
export const DATA_VERSION = 2;

export const DATABASE = 'shop';
export const OWNER = 'shop_owner';

/** Rows of the tables that the demo counts and sums up. */
export const TABLES = ['customers', 'products', 'orders', 'order_items'] as const;

/** Different numbers for the same row by `seed`; no random(), so that every machine gets the same shop. */
const pick = (seed: number, id: string, among: string): string =>
  `(${among})[1 + abs(hashint4(${id} # ${seed * 7919})) % array_length(${among}, 1)]`;
const below = (seed: number, id: string, limit: number): string =>
  `abs(hashint4(${id} # ${seed * 104729})) % ${limit}`;
const list = (words: string): string => `ARRAY['${words.split(' ').join("','")}']`;

const FIRST = list(
  'Anna Ben Carla David Elif Felix Greta Hugo Ines Jonas Katja Luca Mara Noah Olga Paul Rosa Samir Tilda Uwe Vera Walter Yusuf Zoe',
);
const LAST = list(
  'Becker Dubois Eriksson Fischer Garcia Hansen Ivanova Jansen Kaya Lehmann Moreau Novak Olsen Petrov Quinn Rossi Schmidt Tanaka Ulrich Virtanen Weber Yilmaz Zimmer',
);
const CITY = list(
  'Berlin Hamburg Lyon Utrecht Malmö Graz Turin Porto Gdansk Brno Antwerp Aarhus Zurich Leeds Cork',
);
const STREET = list(
  'Lindenallee Hauptstraße Bahnhofstraße Gartenweg Mühlenweg Schillerstraße Parkring Seestraße Talweg',
);
const ADJECTIVE = list('oak steel linen copper glass woollen bamboo ceramic leather walnut brass cotton');
const THING = list(
  'lamp chair kettle blanket notebook mug shelf backpack clock cushion tray vase stool basket',
);

/** In this order, each in its own transaction. */
export const STATEMENTS: readonly string[] = [
  `CREATE TABLE customers AS
   SELECT id,
     ${pick(1, 'id', FIRST)} || ' ' || ${pick(2, 'id', LAST)} AS name,
     'customer' || id || '@example.com' AS email,
     '+49 30 ' || lpad((${below(3, 'id', 10_000_000)})::text, 7, '0') AS phone,
     ${pick(4, 'id', STREET)} || ' ' || (1 + ${below(5, 'id', 180)}) AS street,
     lpad((10000 + ${below(6, 'id', 89_000)})::text, 5, '0') AS postcode,
     ${pick(7, 'id', CITY)} AS city,
     timestamptz '2021-01-01 UTC' + make_interval(mins => ${below(8, 'id', 2_600_000)}) AS registered_at,
     ${below(9, 'id', 3)} = 0 AS newsletter
   FROM generate_series(1, 120000) AS id`,
  `ALTER TABLE customers ADD PRIMARY KEY (id), ALTER name SET NOT NULL, ALTER email SET NOT NULL, ADD UNIQUE (email)`,
  `CREATE TABLE products AS
   SELECT id,
     'SKU-' || lpad(id::text, 5, '0') AS sku,
     initcap(${pick(11, 'id', ADJECTIVE)} || ' ' || ${pick(12, 'id', THING)}) || ' no. ' || id AS name,
     (490 + ${below(13, 'id', 24_000)})::numeric(10, 2) / 100 AS price,
     ${below(14, 'id', 900)} AS stock
   FROM generate_series(1, 1500) AS id`,
  `ALTER TABLE products ADD PRIMARY KEY (id), ALTER name SET NOT NULL, ADD UNIQUE (sku)`,
  `CREATE TABLE order_items AS
   SELECT o AS order_id, line, product_id, quantity, price AS unit_price
   FROM generate_series(1, 400000) AS o,
     LATERAL generate_series(1, 1 + ${below(21, 'o', 4)}) AS line,
     LATERAL (SELECT 1 + ${below(22, '(o * 5 + line)', 1500)} AS product_id,
                     1 + ${below(23, '(o * 5 + line)', 3)} AS quantity) AS item
     JOIN products ON products.id = product_id`,
  `ALTER TABLE order_items ADD PRIMARY KEY (order_id, line)`,
  `CREATE TABLE orders AS
   SELECT o AS id,
     1 + ${below(31, 'o', 120_000)} AS customer_id,
     timestamptz '2023-01-01 UTC' + make_interval(mins => (o::bigint * 1500000 / 400000)::int) AS placed_at,
     (ARRAY['paid','paid','paid','shipped','shipped','delivered','delivered','delivered','returned','cancelled'])[1 + ${below(32, 'o', 10)}] AS status,
     ${pick(33, 'o', list('card invoice transfer wallet'))} AS payment,
     md5('tracking ' || o) AS tracking_code,
     total
   FROM generate_series(1, 400000) AS o
     JOIN (SELECT order_id, sum(quantity * unit_price) AS total FROM order_items GROUP BY order_id) AS sums ON order_id = o`,
  `ALTER TABLE orders ADD PRIMARY KEY (id), ALTER customer_id SET NOT NULL, ALTER total SET NOT NULL,
     ADD FOREIGN KEY (customer_id) REFERENCES customers`,
  `ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders, ADD FOREIGN KEY (product_id) REFERENCES products`,
  `CREATE INDEX orders_customer ON orders (customer_id)`,
  `CREATE INDEX orders_placed ON orders (placed_at)`,
  `CREATE INDEX order_items_product ON order_items (product_id)`,
  `CREATE VIEW revenue_per_month AS
     SELECT date_trunc('month', placed_at) AS month, count(*) AS orders, sum(total) AS revenue
     FROM orders WHERE status <> 'cancelled' GROUP BY 1 ORDER BY 1`,
  `CREATE ROLE shop_app LOGIN`,
  `CREATE ROLE reporting NOLOGIN`,
  `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_app`,
  `GRANT SELECT ON ALL TABLES IN SCHEMA public TO reporting`,
  `VACUUM ANALYZE`,
];

/** Row count and checksum of every table; a table that is gone shows as such. */
export const FINGERPRINT = (table: string): string =>
  `SELECT count(*)::text || ' rows, checksum ' || coalesce(sum(hashtextextended(t::text, 0)), 0)::text AS fingerprint FROM ${table} AS t`;

/** What a branch's author meant well: it runs without an error, and ruins the orders. */
export const BAD_MIGRATION = `-- Loyalty points: one point for each full euro of an order.
ALTER TABLE orders ADD COLUMN loyalty_points integer;
ALTER TABLE customers ADD COLUMN loyalty_points integer NOT NULL DEFAULT 0;

-- Test orders since June are worth nothing. (Here is the mistake: OR instead of AND.)
UPDATE orders SET total = 0 WHERE placed_at >= '2025-06-01' OR payment = 'test';

-- The items move into the orders in the next release.
DROP TABLE order_items;
`;
