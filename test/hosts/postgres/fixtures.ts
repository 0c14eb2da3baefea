/** Databases that have what real ones have: a shop with everything, a Rails, a Django and a Supabase application. */

export const HOSTILE = `O'Dd "Näme" $()\n;-- \\`;
export const quoted = `"${HOSTILE.replaceAll('"', '""')}"`;

export interface Fixture {
  title: string;
  database: string;
  statements: readonly string[];
  /** Differences that a rule explains, as "kind object". */
  explained?: readonly string[];
}

export function rolesOfFixtures(major: number): readonly string[] {
  return [
    "CREATE ROLE app LOGIN PASSWORD 'production' CONNECTION LIMIT 20 VALID UNTIL '2040-01-01'",
    `CREATE ROLE ${quoted} NOLOGIN CREATEDB`,
    'CREATE ROLE anon NOLOGIN NOINHERIT',
    'CREATE ROLE authenticated NOLOGIN',
    'CREATE ROLE replicator REPLICATION LOGIN',
    "COMMENT ON ROLE app IS 'the application'",
    `GRANT ${quoted} TO app WITH ADMIN OPTION`,
    'GRANT anon TO authenticated',
    'GRANT pg_monitor TO app',
    ...(major >= 16 ? ['GRANT authenticated TO app WITH INHERIT FALSE, SET TRUE'] : []),
    "ALTER ROLE app SET search_path = app, 'Quoted, One', public",
    "ALTER ROLE anon SET statement_timeout = '3s'",
  ];
}

export function fixtures(major: number): readonly Fixture[] {
  // What differs between versions is in the first and the last.
  return major === 13 || major >= 18
    ? [shop(major), rails, django(major), supabase(major), guarded]
    : [shop(major), guarded];
}

const guarded: Fixture = {
  title: 'a database whose event triggers forbid every change',
  database: 'guarded',
  statements: [
    'CREATE TABLE customers (id int PRIMARY KEY)',
    'CREATE TABLE orders (customer int CONSTRAINT of_customer REFERENCES customers)',
    'SET session_replication_role = replica',
    'INSERT INTO orders VALUES (1)',
    'CREATE FOREIGN DATA WRAPPER nothing',
    'CREATE SERVER far FOREIGN DATA WRAPPER nothing',
    "CREATE USER MAPPING FOR app SERVER far OPTIONS (\"user\" 'x', password 'production')",
    "CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no changes here'; END $$",
    'CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION forbid()',
    'ALTER EVENT TRIGGER forbid ENABLE ALWAYS',
  ],
  explained: ['constraint of_customer on public.orders'],
};

function shop(major: number): Fixture {
  return {
    title: 'a shop with one of everything',
    database: HOSTILE,
    statements: [
      `ALTER DATABASE ${quoted} OWNER TO app`,
      `ALTER DATABASE ${quoted} SET work_mem = '7MB'`,
      `ALTER DATABASE ${quoted} CONNECTION LIMIT 90`,
      `ALTER ROLE app IN DATABASE ${quoted} SET lock_timeout = '5s'`,
      `REVOKE CONNECT ON DATABASE ${quoted} FROM PUBLIC`,
      `GRANT CONNECT, TEMPORARY ON DATABASE ${quoted} TO anon WITH GRANT OPTION`,
      `COMMENT ON DATABASE ${quoted} IS 'it''s odd'`,
      `CREATE SCHEMA ${quoted} AUTHORIZATION app`,
      `COMMENT ON SCHEMA ${quoted} IS 'odd'`,
      `SET search_path = ${quoted}, public`,
      'CREATE EXTENSION citext SCHEMA public',
      'CREATE EXTENSION hstore SCHEMA public',
      `CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy')`,
      `ALTER TYPE mood ADD VALUE 'between' BEFORE 'happy'`,
      'CREATE TYPE pair AS (a int, b text COLLATE "C")',
      'CREATE TYPE span AS RANGE (subtype = float8)',
      "CREATE DOMAIN mail AS citext DEFAULT 'none' CONSTRAINT has_at CHECK (VALUE LIKE '%@%' OR VALUE = 'none')",
      `CREATE COLLATION german (provider = icu, locale = 'de-DE')`,
      "CREATE FUNCTION one() RETURNS int LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = public AS 'SELECT 1'",
      `CREATE FUNCTION ${quoted}(a int DEFAULT 3, VARIADIC b text[] DEFAULT '{}') RETURNS TABLE (x int) LANGUAGE plpgsql COST 7 AS $$ BEGIN RETURN QUERY SELECT a; END $$`,
      "CREATE PROCEDURE tidy(INOUT n int) LANGUAGE plpgsql AS 'BEGIN n := n + 1; END'",
      'CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int, initcond = 0)',
      'CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = OPERATOR(===))',
      ...(major >= 14 ? ['CREATE FUNCTION body(int) RETURNS int LANGUAGE sql RETURN $1 + 1'] : []),
      `CREATE TABLE customers (
         id int GENERATED ALWAYS AS IDENTITY (START WITH 7 INCREMENT BY 3), email mail, name text COLLATE german NOT NULL,
         how mood DEFAULT 'it''s ok', tags hstore, price numeric(10, 2) CHECK (price > 0), doubled numeric GENERATED ALWAYS AS (price * 2) STORED,
         data jsonb, at timestamptz DEFAULT now(), p pair, PRIMARY KEY (id))`,
      'ALTER TABLE customers ALTER COLUMN data SET STORAGE EXTERNAL, ALTER COLUMN name SET STATISTICS 500, SET (fillfactor = 80, autovacuum_enabled = off)',
      'ALTER TABLE customers OWNER TO app',
      `ALTER TABLE customers DROP COLUMN at, ADD COLUMN ${quoted} text DEFAULT 'x'`,
      `COMMENT ON COLUMN customers.${quoted} IS 'odd; -- \\'`,
      "INSERT INTO customers (name, email, price) SELECT 'name ' || i, i || '@x', i FROM generate_series(1, 100) i",
      'CREATE UNIQUE INDEX by_mail ON customers (lower(email::text)) WHERE price > 5',
      `CREATE INDEX ${quoted} ON customers USING gin (data jsonb_path_ops)`,
      'CREATE INDEX covering ON customers (name DESC NULLS LAST) INCLUDE (price)',
      "COMMENT ON INDEX covering IS 'covers'",
      'ALTER TABLE customers CLUSTER ON covering',
      'ALTER TABLE customers REPLICA IDENTITY FULL',
      `CREATE TABLE orders (id bigserial PRIMARY KEY, customer int, during tstzrange, EXCLUDE USING gist (during WITH &&),
         CONSTRAINT ${quoted} FOREIGN KEY (customer) REFERENCES customers ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED)`,
      'INSERT INTO orders (customer) SELECT 7 FROM generate_series(1, 50)',
      'ALTER TABLE orders ADD CONSTRAINT later CHECK (id > 10) NOT VALID',
      `CREATE TABLE unchecked (id int CONSTRAINT ${quoted} REFERENCES customers)`,
      'ALTER TABLE unchecked DISABLE TRIGGER ALL',
      'CREATE SEQUENCE counting AS smallint INCREMENT -2 MAXVALUE 100 MINVALUE -100 START 50 CACHE 4 CYCLE',
      "SELECT nextval('counting')",
      'CREATE SEQUENCE untouched',
      `CREATE TABLE events (id bigint, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)`,
      "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
      'CREATE TABLE events_rest PARTITION OF events DEFAULT',
      'CREATE INDEX events_day ON events (day)',
      'CREATE TABLE base_of (id int, note text)',
      'CREATE TABLE child (more int) INHERITS (base_of)',
      'CREATE UNLOGGED TABLE passing (id int)',
      `CREATE VIEW "v ${HOSTILE.replaceAll('"', '""')}" WITH (security_barrier) AS SELECT id, name FROM customers WHERE price > 2`,
      'CREATE VIEW simple AS SELECT id, name FROM customers WHERE id > 0 WITH LOCAL CHECK OPTION',
      'CREATE MATERIALIZED VIEW totals AS SELECT how, count(*) AS n FROM customers GROUP BY how',
      'CREATE UNIQUE INDEX ON totals (how)',
      'CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS a WITH NO DATA',
      'CREATE RULE keep AS ON DELETE TO child DO INSTEAD NOTHING',
      "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
      `CREATE TRIGGER ${quoted} BEFORE UPDATE OF name ON customers FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION touch()`,
      'CREATE TRIGGER always AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch()',
      'ALTER TABLE orders ENABLE ALWAYS TRIGGER always',
      'CREATE TRIGGER never AFTER INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION touch()',
      'ALTER TABLE orders DISABLE TRIGGER never',
      "COMMENT ON TRIGGER never ON orders IS 'off'",
      'CREATE TRIGGER each_day AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touch()',
      "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
      `CREATE EVENT TRIGGER ${quoted} ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION watch()`,
      `ALTER EVENT TRIGGER ${quoted} ENABLE ALWAYS`,
      'ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
      `CREATE POLICY ${quoted} ON orders AS RESTRICTIVE FOR SELECT TO app, ${quoted} USING (customer > 3)`,
      'CREATE POLICY writes ON orders FOR INSERT WITH CHECK (id > 0)',
      'CREATE STATISTICS linked (dependencies, ndistinct) ON price, name FROM customers',
      `CREATE PUBLICATION ${quoted} FOR TABLE customers, orders WITH (publish = 'insert, update')`,
      'CREATE PUBLICATION everything FOR ALL TABLES',
      ...(major >= 15 ? ['CREATE PUBLICATION chosen FOR TABLE customers (id, name) WHERE (id > 3)'] : []),
      `GRANT SELECT, UPDATE (name) ON customers TO anon, ${quoted}`,
      'GRANT SELECT ON customers TO authenticated WITH GRANT OPTION',
      'REVOKE ALL ON FUNCTION one() FROM PUBLIC',
      'GRANT EXECUTE ON FUNCTION one() TO app',
      `GRANT USAGE ON SCHEMA ${quoted} TO anon`,
      'GRANT USAGE ON TYPE mood TO anon',
      'GRANT USAGE ON SEQUENCE counting TO app',
      `ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA ${quoted} GRANT SELECT ON TABLES TO anon`,
      'ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC',
      "SELECT lo_create(0), lo_from_bytea(0, 'hello'), lo_create(4711)",
      'ALTER LARGE OBJECT 4711 OWNER TO app',
      'GRANT SELECT ON LARGE OBJECT 4711 TO anon',
      "COMMENT ON LARGE OBJECT 4711 IS 'large'",
      'CREATE TEXT SEARCH CONFIGURATION mine (COPY = pg_catalog.german)',
      'CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple, STOPWORDS = german)',
      'CREATE FOREIGN DATA WRAPPER nothing',
      "CREATE SERVER far FOREIGN DATA WRAPPER nothing OPTIONS (host 'db')",
      'ALTER SERVER far OWNER TO app',
      "CREATE FOREIGN TABLE away (id int OPTIONS (a 'b') NOT NULL) SERVER far",
      'CREATE USER MAPPING FOR app SERVER far OPTIONS ("user" \'x\')',
    ],
  };
}

const rails: Fixture = {
  title: 'a Rails application',
  database: 'app_development',
  statements: [
    'CREATE EXTENSION pgcrypto',
    'CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY)',
    'CREATE TABLE ar_internal_metadata (key varchar NOT NULL PRIMARY KEY, value varchar, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL)',
    "INSERT INTO schema_migrations VALUES ('20260101000000'), ('20260102000000')",
    "CREATE TABLE users (id uuid DEFAULT gen_random_uuid() NOT NULL PRIMARY KEY, email varchar DEFAULT '' NOT NULL, settings jsonb DEFAULT '{}' NOT NULL, created_at timestamp(6) NOT NULL)",
    'CREATE UNIQUE INDEX index_users_on_email ON users (email)',
    'CREATE INDEX index_users_on_settings ON users USING gin (settings)',
    "CREATE TABLE posts (id bigserial PRIMARY KEY, user_id uuid NOT NULL CONSTRAINT fk_rails_5b5ddfd518 REFERENCES users, tags varchar[] DEFAULT '{}', position int, body text)",
    'CREATE INDEX index_posts_on_user_id ON posts USING btree (user_id)',
    "INSERT INTO users (email, created_at) SELECT i || '@x', now() FROM generate_series(1, 20) i",
    'INSERT INTO posts (user_id) SELECT id FROM users',
    'ALTER TABLE posts ADD CONSTRAINT chk_rails_1 CHECK (position > 0) NOT VALID',
  ],
};

function django(major: number): Fixture {
  return {
    title: 'a Django application',
    database: 'django',
    statements: [
      `CREATE TABLE django_migrations (id bigint ${major >= 13 ? 'GENERATED BY DEFAULT AS IDENTITY' : ''} PRIMARY KEY, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL)`,
      "INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '0001_initial', now())",
      'CREATE TABLE auth_user (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, username varchar(150) NOT NULL UNIQUE, is_active boolean NOT NULL)',
      'CREATE INDEX auth_user_username_6821ab7c_like ON auth_user (username varchar_pattern_ops)',
      'CREATE TABLE auth_user_groups (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, user_id int NOT NULL, age smallint NOT NULL CHECK (age >= 0))',
      'ALTER TABLE auth_user_groups ADD CONSTRAINT auth_user_groups_user_id_6a12ed8b_fk FOREIGN KEY (user_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED',
      "INSERT INTO auth_user (username, is_active) SELECT 'u' || i, true FROM generate_series(1, 30) i",
      'INSERT INTO auth_user_groups (user_id, age) SELECT id, 1 FROM auth_user',
    ],
  };
}

function supabase(major: number): Fixture {
  return {
    title: 'a Supabase project',
    database: 'supabase',
    statements: [
      'CREATE SCHEMA auth AUTHORIZATION app',
      'CREATE SCHEMA storage',
      'CREATE SCHEMA extensions',
      'CREATE EXTENSION "uuid-ossp" SCHEMA extensions',
      'CREATE EXTENSION pg_trgm SCHEMA extensions',
      'ALTER DATABASE supabase SET "app.settings.jwt_secret" = \'a b\'',
      "CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT NULLIF(current_setting('request.jwt.claim.sub', true), '')::uuid $$",
      'ALTER FUNCTION auth.uid() OWNER TO app',
      'CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT extensions.uuid_generate_v4(), email text, raw jsonb)',
      'ALTER TABLE auth.users OWNER TO app',
      'CREATE TABLE public.todos (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, owner uuid REFERENCES auth.users ON DELETE CASCADE DEFAULT auth.uid(), task text CHECK (char_length(task) > 3))',
      'ALTER TABLE public.todos ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY "Individuals can view their own todos." ON public.todos FOR SELECT TO authenticated USING ((SELECT auth.uid()) = owner)',
      'CREATE POLICY "Anyone, \'odd\'" ON public.todos USING (true)',
      'CREATE INDEX ON public.todos USING gin (task extensions.gin_trgm_ops)',
      'GRANT ALL ON ALL TABLES IN SCHEMA public TO anon, authenticated',
      'GRANT USAGE ON SCHEMA auth TO anon',
      'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated',
      "CREATE FUNCTION extensions.grant_access() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
      'CREATE EVENT TRIGGER issue_access ON ddl_command_end EXECUTE FUNCTION extensions.grant_access()',
      'CREATE PUBLICATION supabase_realtime FOR TABLE public.todos',
      ...(major >= 15
        ? ['CREATE VIEW public.mine WITH (security_invoker = true) AS SELECT * FROM public.todos']
        : []),
      "INSERT INTO public.todos (task) SELECT 'task ' || i FROM generate_series(1, 10) i",
    ],
  };
}
