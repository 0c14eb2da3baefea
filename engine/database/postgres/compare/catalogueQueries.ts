/** One query for each kind of object that a database has: what it is called, where it belongs, and what is true of it. */

export interface KindQuery {
  kind: string;
  /**
   * The columns `object` (as people name it), `schema`, `relation` (where it belongs; null: nowhere), for some `name` (as the list of an
   * archive has it) and one for each fact, all as text. Runs with `search_path = pg_catalog`, so that every name in a definition has its schema.
   */
  text: (major: number) => string;
}

/** Without what the server brings along and what belongs to nobody but a session. */
const ownSchema = (name: string): string => `${name} !~ '^pg_' AND ${name} <> 'information_schema'`;

/** What an extension brings along comes with it. */
const notOfExtension = (catalogue: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '${catalogue}'::regclass AND e.objid = ${oid} AND e.deptype = 'e')`;

/** Rights in one order; null where they are those that everybody starts with. */
const rights = (acl: string, type: string, owner: string): string => {
  const sorted = (list: string): string =>
    `(SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(${list}) AS a)`;
  const defaults = sorted(`acldefault('${type}', ${owner})`);
  return `CASE WHEN ${acl} IS NOT NULL THEN NULLIF(coalesce(${sorted(acl)}, 'nobody'), ${defaults}) END`;
};

const owner = (column: string): string => `pg_get_userbyid(${column}) AS owner`;
const relationName = (namespace = 'n', relation = 'c'): string =>
  `format('%I.%I', ${namespace}.nspname, ${relation}.relname)`;
/** Without quotes: for the machine. */
const rawName = (namespace = 'n', relation = 'c'): string =>
  `${namespace}.nspname || '.' || ${relation}.relname`;
const list = (options: string): string =>
  `(SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(${options}) AS o)`;
const collationName = (oid: string): string =>
  `(SELECT format('%I.%I', ln.nspname, l.collname) FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = ${oid})`;

const relations: readonly KindQuery[] = [
  {
    kind: 'schema',
    text: () => `SELECT format('%I', n.nspname) AS object, n.nspname AS schema, NULL AS relation, n.nspname AS name,
        ${owner('n.nspowner')}, ${rights('n.nspacl', 'n', 'n.nspowner')} AS rights
      FROM pg_namespace n WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_namespace', 'n.oid')}`,
  },
  {
    kind: 'table',
    text: () => `SELECT ${relationName()} AS object, n.nspname AS schema, ${rawName()} AS relation, c.relname AS name,
        CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' ELSE 'foreign table' END AS is,
        ${owner('c.relowner')}, ${rights('c.relacl', 'r', 'c.relowner')} AS rights, c.relpersistence::text AS persistence,
        c.relrowsecurity::text AS "row security", c.relforcerowsecurity::text AS "forced row security",
        c.relreplident::text AS "replica identity", ${list('c.reloptions')} AS options,
        CASE WHEN t.reloptions IS NOT NULL THEN ${list('t.reloptions')} END AS "toast options", a.amname AS "access method",
        CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS "partition key",
        CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS "partition bound",
        CASE WHEN c.relhassubclass OR c.relispartition OR i.inhrelid IS NOT NULL THEN
          (SELECT string_agg(p.inhparent::regclass::text, ', ' ORDER BY p.inhseqno) FROM pg_inherits p WHERE p.inhrelid = c.oid) END AS parents,
        CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS "of type",
        CASE WHEN c.relkind = 'f' THEN (SELECT format('%I %s', s.srvname, ${list('f.ftoptions')}) FROM pg_foreign_table f
          JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) END AS "foreign server"
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_am a ON a.oid = c.relam
      LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhseqno = 1
      WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND ${ownSchema('n.nspname')}
        AND ${notOfExtension('pg_class', 'c.oid')}`,
  },
  {
    // One row for each table, since there are many: the columns are taken apart only where something differs.
    kind: 'column',
    text: (
      major,
    ) => `SELECT ${relationName()} AS object, n.nspname AS schema, ${rawName()} AS relation, k.columns AS "*"
      FROM (SELECT a.attrelid, json_object_agg(a.attname, json_build_array(
          format_type(a.atttypid, a.atttypmod), a.attnotnull, CASE WHEN a.atthasdef THEN pg_get_expr(d.adbin, d.adrelid) END,
          a.attidentity, a.attgenerated,
          CASE WHEN a.attcollation <> t.typcollation THEN ${collationName('a.attcollation')} END,
          CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END, ${major >= 14 ? 'a.attcompression' : "''"},
          NULLIF(a.attstattarget, -1), a.attoptions, a.attfdwoptions,
          ${rights('a.attacl', 'c', 'o.relowner')}) ORDER BY a.attnum)::text AS columns
        FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND o.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND o.relpersistence <> 't'
          AND o.relnamespace IN (SELECT oid FROM pg_namespace WHERE ${ownSchema('nspname')})
        GROUP BY a.attrelid) k
      JOIN pg_class c ON c.oid = k.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${notOfExtension('pg_class', 'c.oid')}`,
  },
  {
    // That a column is not null is told of the column.
    kind: 'constraint',
    text: () => `SELECT format('%I on %s', k.conname, CASE WHEN c.oid IS NULL THEN format_type(k.contypid, NULL) ELSE ${relationName()} END) AS object,
        n.nspname AS schema, CASE WHEN c.oid IS NOT NULL THEN ${rawName()} END AS relation, concat_ws(' ', coalesce(c.relname, y.typname), k.conname) AS name,
        k.contype::text AS type, pg_get_constraintdef(k.oid) AS definition,
        CASE WHEN k.contype = 'f' THEN (SELECT string_agg(DISTINCT t.tgenabled::text, '') FROM pg_trigger t
          WHERE t.tgconstraint = k.oid) END AS enabled
      FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace LEFT JOIN pg_class c ON c.oid = k.conrelid
      LEFT JOIN pg_type y ON y.oid = k.contypid
      WHERE ${ownSchema('n.nspname')} AND k.contype IN ('c', 'f', 'p', 'u', 'x') AND (k.contype <> 'f' OR k.conparentid = 0)
        AND (c.oid IS NULL OR c.relpersistence <> 't')
        AND (k.conrelid = 0 OR ${notOfExtension('pg_class', 'k.conrelid')})
        AND (k.contypid = 0 OR ${notOfExtension('pg_type', 'k.contypid')})`,
  },
  {
    // What a constraint's index is like follows from the constraint.
    kind: 'index',
    text: () => `SELECT format('%I.%I', n.nspname, x.relname) AS object, n.nspname AS schema, ${rawName()} AS relation, x.relname AS name,
        CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid) END AS definition, i.indisvalid::text AS valid, i.indisclustered::text AS clustered,
        i.indisreplident::text AS "replica identity"
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
      WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND ${ownSchema('n.nspname')}
        AND ${notOfExtension('pg_class', 'c.oid')} AND ${notOfExtension('pg_class', 'x.oid')}`,
  },
  {
    kind: 'view',
    text: () => `SELECT ${relationName()} AS object, n.nspname AS schema, ${rawName()} AS relation, c.relname AS name,
        ${owner('c.relowner')}, ${rights('c.relacl', 'r', 'c.relowner')} AS rights, pg_get_viewdef(c.oid) AS definition,
        ${list('c.reloptions')} AS options
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'v' AND c.relpersistence <> 't' AND ${ownSchema('n.nspname')} AND ${notOfExtension('pg_class', 'c.oid')}`,
  },
  {
    kind: 'materialized view',
    text: () => `SELECT ${relationName()} AS object, n.nspname AS schema, ${rawName()} AS relation, c.relname AS name,
        ${owner('c.relowner')}, ${rights('c.relacl', 'r', 'c.relowner')} AS rights, pg_get_viewdef(c.oid) AS definition,
        ${list('c.reloptions')} AS options, c.relispopulated::text AS filled
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'm' AND ${ownSchema('n.nspname')} AND ${notOfExtension('pg_class', 'c.oid')}`,
  },
  {
    kind: 'sequence',
    text: () => `SELECT ${relationName()} AS object, n.nspname AS schema, ${rawName('tn', 't')} AS relation, c.relname AS name,
        ${owner('c.relowner')}, ${rights('c.relacl', 's', 'c.relowner')} AS rights, format_type(s.seqtypid, NULL) AS type,
        s.seqstart::text AS start, s.seqincrement::text AS increment, s.seqmin::text AS minimum, s.seqmax::text AS maximum,
        s.seqcache::text AS cache, s.seqcycle::text AS cycles, c.relpersistence::text AS persistence, a.attname AS "of column"
      FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
        AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
      LEFT JOIN pg_class t ON t.oid = d.refobjid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
      LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE c.relpersistence <> 't' AND ${ownSchema('n.nspname')} AND ${notOfExtension('pg_class', 'c.oid')}`,
  },
  {
    kind: 'trigger',
    text: () => `SELECT format('%I on %s', t.tgname, ${relationName()}) AS object, n.nspname AS schema, ${rawName()} AS relation, concat_ws(' ', c.relname, t.tgname) AS name,
        pg_get_triggerdef(t.oid) AS definition, t.tgenabled::text AS enabled
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND c.relpersistence <> 't' AND ${ownSchema('n.nspname')}
        AND ${notOfExtension('pg_class', 'c.oid')} AND ${notOfExtension('pg_trigger', 't.oid')}`,
  },
  {
    kind: 'policy',
    text: () => `SELECT format('%I on %s', p.polname, ${relationName()}) AS object, n.nspname AS schema, ${rawName()} AS relation, concat_ws(' ', c.relname, p.polname) AS name,
        p.polcmd::text AS command, p.polpermissive::text AS permissive,
        (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r)::text END, ', ' ORDER BY 1) FROM unnest(p.polroles) AS r) AS roles,
        pg_get_expr(p.polqual, p.polrelid) AS "using", pg_get_expr(p.polwithcheck, p.polrelid) AS "with check"
      FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_class', 'c.oid')}`,
  },
  {
    kind: 'rule',
    text: () => `SELECT format('%I on %s', r.rulename, ${relationName()}) AS object, n.nspname AS schema, ${rawName()} AS relation, concat_ws(' ', c.relname, r.rulename) AS name,
        pg_get_ruledef(r.oid) AS definition, r.ev_enabled::text AS enabled
      FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE r.rulename <> '_RETURN' AND ${ownSchema('n.nspname')} AND ${notOfExtension('pg_class', 'c.oid')}`,
  },
  {
    kind: 'statistics object',
    text: () => `SELECT format('%I.%I', n.nspname, s.stxname) AS object, n.nspname AS schema, (SELECT ${rawName('cn')} FROM pg_class c JOIN pg_namespace cn ON cn.oid = c.relnamespace WHERE c.oid = s.stxrelid) AS relation, s.stxname AS name,
        ${owner('s.stxowner')}, pg_get_statisticsobjdef(s.oid) AS definition
      FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE ${ownSchema('n.nspname')}`,
  },
];

const aggregate = (column: string): string => `CASE WHEN a.aggfnoid IS NOT NULL THEN ${column} END`;

const programs: readonly KindQuery[] = [
  {
    kind: 'function',
    text: (
      major,
    ) => `SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS object,
        n.nspname AS schema, NULL AS relation, format('%s(%s)', p.proname, CASE WHEN p.prokind = 'a' AND p.pronargs = 0 THEN '*' ELSE oidvectortypes(p.proargtypes) END) AS name, p.prokind::text AS is, ${owner('p.proowner')}, ${rights('p.proacl', 'f', 'p.proowner')} AS rights,
        pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result, l.lanname AS language,
        md5(p.prosrc) AS source, ${major >= 14 ? 'md5(pg_get_function_sqlbody(p.oid))' : 'NULL'} AS body, p.probin AS library,
        concat_ws(' ', p.provolatile, p.proisstrict, p.prosecdef, p.proleakproof, p.proparallel, p.procost, p.prorows) AS attributes,
        ${list('p.proconfig')} AS settings, NULLIF(p.prosupport, 0)::regproc::text AS support,
        ${aggregate("concat_ws(' ', a.aggkind, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn, a.aggsortop::regoperator, format_type(a.aggtranstype, NULL), a.agginitval)")} AS aggregate
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
      LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
      WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_proc', 'p.oid')}
        AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid AND i.deptype = 'i')`,
  },
  {
    kind: 'type',
    text: () => `SELECT format('%I.%I', n.nspname, t.typname) AS object, n.nspname AS schema, NULL AS relation, t.typname AS name, t.typtype::text AS is,
        ${owner('t.typowner')}, ${rights('t.typacl', 'T', 't.typowner')} AS rights,
        CASE WHEN t.typtype = 'e' THEN (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e
          WHERE e.enumtypid = t.oid) END AS labels,
        CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base, CASE WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 0) ELSE t.typdefault END AS "default",
        t.typnotnull::text AS "not null", CASE WHEN t.typtype = 'd' AND t.typcollation <> 0 THEN ${collationName('t.typcollation')} END AS collation,
        (SELECT concat_ws(' ', format_type(r.rngsubtype, NULL), ${collationName('NULLIF(r.rngcollation, 0)')}, r.rngcanonical, r.rngsubdiff)
          FROM pg_range r WHERE r.rngtypid = t.oid) AS range
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE ${ownSchema('n.nspname')} AND t.typtype IN ('b', 'c', 'd', 'e', 'r') AND ${notOfExtension('pg_type', 't.oid')}
        AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
        AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)`,
  },
  {
    kind: 'collation',
    text: () => `SELECT format('%I.%I', n.nspname, l.collname) AS object, n.nspname AS schema, NULL AS relation, l.collname AS name, ${owner('l.collowner')},
        l.collprovider::text AS provider, l.collcollate AS "collate", l.collctype AS ctype, l.collisdeterministic::text AS deterministic
      FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
      WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_collation', 'l.oid')}`,
  },
  {
    kind: 'operator',
    text: () => `SELECT format('%I.%s(%s, %s)', n.nspname, o.oprname, format_type(NULLIF(o.oprleft, 0), NULL), format_type(o.oprright, NULL)) AS object,
        n.nspname AS schema, NULL AS relation, ${owner('o.oprowner')}, o.oprcode::text AS function,
        concat_ws(' ', NULLIF(o.oprcom, 0)::regoperator, NULLIF(o.oprnegate, 0)::regoperator, o.oprrest, o.oprjoin, o.oprcanmerge, o.oprcanhash) AS attributes
      FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
      WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_operator', 'o.oid')}`,
  },
  {
    kind: 'operator class',
    text: () => `SELECT format('%I.%I for %s', n.nspname, o.opcname, a.amname) AS object, n.nspname AS schema, NULL AS relation,
        ${owner('o.opcowner')}, format_type(o.opcintype, NULL) AS type, o.opcdefault::text AS "default"
      FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_am a ON a.oid = o.opcmethod
      WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_opclass', 'o.oid')}`,
  },
  {
    kind: 'operator family',
    text: () => `SELECT format('%I.%I for %s', n.nspname, o.opfname, a.amname) AS object, n.nspname AS schema, NULL AS relation, ${owner('o.opfowner')}
      FROM pg_opfamily o JOIN pg_namespace n ON n.oid = o.opfnamespace JOIN pg_am a ON a.oid = o.opfmethod
      WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_opfamily', 'o.oid')}`,
  },
  {
    kind: 'cast',
    text: () => `SELECT format('%s to %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)) AS object, NULL AS schema,
        NULL AS relation, NULLIF(c.castfunc, 0)::regprocedure::text AS function, c.castcontext::text AS context, c.castmethod::text AS method
      FROM pg_cast c WHERE c.oid >= 16384 AND ${notOfExtension('pg_cast', 'c.oid')}
        AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_cast'::regclass AND i.objid = c.oid AND i.deptype = 'i')`,
  },
  {
    kind: 'conversion',
    text: () => `SELECT format('%I.%I', n.nspname, c.conname) AS object, n.nspname AS schema, NULL AS relation, ${owner('c.conowner')},
        c.conproc::text AS function, c.condefault::text AS "default"
      FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace WHERE ${ownSchema('n.nspname')}`,
  },
  {
    kind: 'text search configuration',
    text: () => `SELECT format('%I.%I', n.nspname, c.cfgname) AS object, n.nspname AS schema, NULL AS relation, c.cfgname AS name, ${owner('c.cfgowner')},
        (SELECT string_agg(concat_ws(' ', m.maptokentype, m.mapseqno, m.mapdict::regdictionary), ', ' ORDER BY m.maptokentype, m.mapseqno)
          FROM pg_ts_config_map m WHERE m.mapcfg = c.oid) AS dictionaries
      FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace
      WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_ts_config', 'c.oid')}`,
  },
  {
    kind: 'text search dictionary',
    text: () => `SELECT format('%I.%I', n.nspname, d.dictname) AS object, n.nspname AS schema, NULL AS relation, d.dictname AS name, ${owner('d.dictowner')},
        t.tmplname AS template, d.dictinitoption AS options
      FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate
      WHERE ${ownSchema('n.nspname')} AND ${notOfExtension('pg_ts_dict', 'd.oid')}`,
  },
  {
    kind: 'language',
    text: () => `SELECT format('%I', l.lanname) AS object, NULL AS schema, NULL AS relation, l.lanname AS name, ${owner('l.lanowner')},
        ${rights('l.lanacl', 'l', 'l.lanowner')} AS rights, l.lanpltrusted::text AS trusted
      FROM pg_language l WHERE l.oid >= 16384 AND ${notOfExtension('pg_language', 'l.oid')}`,
  },
];

const attached: readonly KindQuery[] = [
  {
    kind: 'extension',
    text: () => `SELECT format('%I', e.extname) AS object, NULL AS schema, NULL AS relation, e.extname AS name, e.extversion AS version, n.nspname AS "in schema"
      FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace`,
  },
  {
    kind: 'event trigger',
    text: () => `SELECT format('%I', t.evtname) AS object, NULL AS schema, NULL AS relation, t.evtname AS name, ${owner('t.evtowner')}, t.evtevent AS event,
        array_to_string(t.evttags, ', ') AS tags, t.evtfoid::regproc::text AS function, t.evtenabled::text AS enabled
      FROM pg_event_trigger t WHERE ${notOfExtension('pg_event_trigger', 't.oid')}`,
  },
  {
    kind: 'publication',
    text: (
      major,
    ) => `SELECT format('%I', p.pubname) AS object, NULL AS schema, NULL AS relation, p.pubname AS name, ${owner('p.pubowner')}, p.puballtables::text AS "all tables",
        concat_ws(' ', p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot) AS publishes,
        (SELECT string_agg(concat_ws(' ', r.prrelid::regclass${
          major >= 15
            ? `, (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
              WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)), pg_get_expr(r.prqual, r.prrelid)`
            : ''
        }), ', ' ORDER BY r.prrelid::regclass::text) FROM pg_publication_rel r WHERE r.prpubid = p.oid) AS tables,
        ${major >= 15 ? "(SELECT string_agg(s.pnnspid::regnamespace::text, ', ' ORDER BY s.pnnspid::regnamespace::text) FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)" : 'NULL'} AS schemas
      FROM pg_publication p`,
  },
  {
    kind: 'subscription',
    text: () => `SELECT format('%I', s.subname) AS object, NULL AS schema, NULL AS relation
      FROM pg_subscription s WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  },
  {
    kind: 'foreign-data wrapper',
    text: () => `SELECT format('%I', w.fdwname) AS object, NULL AS schema, NULL AS relation, w.fdwname AS name, ${owner('w.fdwowner')},
        ${rights('w.fdwacl', 'F', 'w.fdwowner')} AS rights, ${list('w.fdwoptions')} AS options
      FROM pg_foreign_data_wrapper w WHERE ${notOfExtension('pg_foreign_data_wrapper', 'w.oid')}`,
  },
  {
    kind: 'foreign server',
    text: () => `SELECT format('%I', s.srvname) AS object, NULL AS schema, NULL AS relation, s.srvname AS name, ${owner('s.srvowner')},
        ${rights('s.srvacl', 'S', 's.srvowner')} AS rights, w.fdwname AS wrapper, s.srvtype AS type, s.srvversion AS version, ${list('s.srvoptions')} AS options
      FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE ${notOfExtension('pg_foreign_server', 's.oid')}`,
  },
  {
    kind: 'user mapping',
    text: () => `SELECT format('%s at %I', CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(m.umuser)) END, m.srvname) AS object,
        NULL AS schema, NULL AS relation FROM pg_user_mappings m`,
  },
  {
    kind: 'large object',
    text: () => `SELECT format('those of %I%s', owner, ' with rights ' || rights) AS object, NULL AS schema, NULL AS relation, count(*)::text AS number
      FROM (SELECT pg_get_userbyid(l.lomowner) AS owner, ${rights('l.lomacl', 'L', 'l.lomowner')} AS rights FROM pg_largeobject_metadata l) AS l
      GROUP BY owner, rights`,
  },
  {
    kind: 'default privileges',
    text: () => `SELECT concat_ws(' ', 'of', quote_ident(pg_get_userbyid(d.defaclrole)), 'on',
          CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
            WHEN 'n' THEN 'schemas' WHEN 'L' THEN 'large objects' ELSE d.defaclobjtype::text END, 'in ' || quote_ident(n.nspname)) AS object,
        n.nspname AS schema, NULL AS relation,
        coalesce((SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(d.defaclacl) AS a), 'nobody') AS rights
      FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace`,
  },
  {
    kind: 'comment',
    text: () => `SELECT format('%s %s', i.type, i.identity) AS object, i.schema, CASE WHEN d.classoid = 'pg_class'::regclass
          THEN (SELECT ${rawName()} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = d.objoid) END AS relation,
        d.description AS text
      FROM pg_description d, LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
      WHERE (d.objoid >= 16384 OR d.objoid = 2200 AND d.classoid = 'pg_namespace'::regclass)
        AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
        AND (i.schema IS NULL OR ${ownSchema('i.schema')})`,
  },
];

/** What belongs to the server as a whole, and to this database in it. */
const shared: readonly KindQuery[] = [
  {
    kind: 'database',
    text: () => `SELECT 'the database' AS object, NULL AS schema, NULL AS relation, ${owner('d.datdba')},
        ${rights('d.datacl', 'd', 'd.datdba')} AS rights, pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS "collate",
        d.datctype AS ctype, d.datconnlimit::text AS "connection limit", shobj_description(d.oid, 'pg_database') AS comment
      FROM pg_database d WHERE d.datname = current_database()`,
  },
  {
    kind: 'role',
    text: () => `SELECT format('%I', r.rolname) AS object, NULL AS schema, NULL AS relation,
        concat_ws(' ', CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolinherit THEN 'INHERIT' END,
          CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END, CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
          CASE WHEN r.rolcanlogin THEN 'LOGIN' END, CASE WHEN r.rolreplication THEN 'REPLICATION' END,
          CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END) AS attributes,
        r.rolconnlimit::text AS "connection limit", extract(epoch FROM r.rolvaliduntil)::text AS "valid until",
        shobj_description(r.oid, 'pg_authid') AS comment
      FROM pg_roles r WHERE r.rolname !~ '^pg_'`,
  },
  {
    kind: 'membership',
    text: (
      major,
    ) => `SELECT format('%I in %I', m.rolname, g.rolname) AS object, NULL AS schema, NULL AS relation, bool_or(a.admin_option)::text AS admin${
      major >= 16
        ? ', bool_or(a.inherit_option)::text AS "inherit", bool_or(a.set_option)::text AS "set"'
        : ''
    } FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
      WHERE m.rolname !~ '^pg_' GROUP BY 1`,
  },
  {
    kind: 'setting',
    text: () => `SELECT concat_ws(' ', split_part(c, '=', 1), 'of', 'role ' || quote_ident(r.rolname),
          CASE WHEN s.setdatabase <> 0 AND s.setrole <> 0 THEN 'in' END, CASE WHEN s.setdatabase <> 0 THEN 'the database' END) AS object,
        NULL AS schema, NULL AS relation, substr(c, strpos(c, '=') + 1) AS value
      FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) AS c
      WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND (s.setrole = 0 OR r.rolname !~ '^pg_')`,
  },
];

/** They are not part of any transaction: read before the dump and after it. */
export const SEQUENCE_VALUES: KindQuery = {
  kind: 'sequence value',
  text: () => `SELECT ${relationName()} AS object, n.nspname AS schema, NULL AS relation, s.seqincrement::text AS increment,
      CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE') AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
        THEN coalesce(pg_sequence_last_value(c.oid)::text, 'none') ELSE 'unknown' END AS value
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence <> 't' AND ${ownSchema('n.nspname')} AND ${notOfExtension('pg_class', 'c.oid')}`,
};

export const KINDS: readonly KindQuery[] = [...relations, ...programs, ...attached, ...shared];

/** What the row of the kind `column` has for each column, in this order. */
export const COLUMN_FACTS = [
  ...['type', 'not null', 'default', 'identity', 'generated', 'collation', 'storage', 'compression'],
  ...['statistics target', 'options', 'foreign options', 'rights'],
] as const;
