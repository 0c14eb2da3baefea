/** Rewrites what a plain dump says for the server that it came from, and that its copy does not have: line by line. */
import { Transform } from 'node:stream';

export interface RewriteOptions {
  /** Of the server that it goes into. */
  major: number;
  /** Every line ends with CR LF: it was written on Windows, or went through it. */
  crlf: boolean;
}

const KINDS = [
  'TABLE|VIEW|MATERIALIZED VIEW|INDEX|SEQUENCE|TYPE|DOMAIN|FUNCTION|PROCEDURE|AGGREGATE|OPERATOR CLASS',
  'OPERATOR FAMILY|OPERATOR|CAST|COLLATION|CONVERSION|SCHEMA|EXTENSION|TRIGGER|EVENT TRIGGER|RULE|POLICY',
  'PUBLICATION|SUBSCRIPTION|SERVER|USER MAPPING|FOREIGN DATA WRAPPER|FOREIGN TABLE|LANGUAGE',
  'PROCEDURAL LANGUAGE|TEXT SEARCH (?:PARSER|DICTIONARY|TEMPLATE|CONFIGURATION)|TRANSFORM|ACCESS METHOD',
  'STATISTICS|DATABASE|ROLE',
].join('|');
const DROP = new RegExp(`^DROP (${KINDS}) (?!IF EXISTS )`);
const ALTER_DROP =
  /^ALTER (TABLE|DOMAIN)( ONLY)? (?!IF EXISTS )(.*) (DROP CONSTRAINT|DROP DEFAULT|DETACH PARTITION)\b/;

/**
 * As pg_dump does for --if-exists: what --clean removes is not there in a new cluster. undefined: the whole statement has
 * nothing to do there.
 */
export function ifExists(line: string): string | undefined {
  if (/^DROP TABLESPACE |^SELECT pg_catalog\.lo_unlink\(/.test(line)) return undefined;
  const dropped = line.replace(DROP, 'DROP $1 IF EXISTS ');
  if (dropped !== line) return dropped;
  const match = ALTER_DROP.exec(line);
  if (match === null) return line;
  // ALTER DOMAIN has no such word, and a domain that is not there has no constraint.
  if (match[1] === 'DOMAIN') return undefined;
  return line
    .replace(/^ALTER TABLE /, 'ALTER TABLE IF EXISTS ')
    .replace(/ DROP CONSTRAINT (?!IF EXISTS )/, ' DROP CONSTRAINT IF EXISTS ');
}

const MEMBERSHIP =
  /^GRANT ((?:"(?:[^"]|"")+"|[\w$\u0080-\uffff]+)) TO ((?:"(?:[^"]|"")+"|[\w$\u0080-\uffff]+))( WITH .*?)?( GRANTED BY ((?:"(?:[^"]|"")+"|[\w$\u0080-\uffff]+)))?;$/u;

/**
 * Whom a membership was granted by counts only where that role may grant it: by the first superuser of the source, who is
 * an ordinary one here, it is granted by the first one of the copy.
 */
export function createMemberships(): (line: string) => string {
  const mayGrant = new Set<string>();
  return (line) => {
    const match = MEMBERSHIP.exec(line);
    if (match === null) return line;
    const [, role = '', member = '', options = '', granted = '', grantor = ''] = match;
    if (/ADMIN (?:OPTION|TRUE)/.test(options)) mayGrant.add(JSON.stringify([role, member]));
    if (granted === '' || mayGrant.has(JSON.stringify([role, grantor]))) return line;
    return `GRANT ${role} TO ${member}${options};`;
  };
}

/**
 * Follows strings and names, which may have lines of their own: true where the line begins in one. A quote that is doubled
 * ends one and begins another.
 */
export function createQuotes(): (line: string) => boolean {
  const begins = /--|['"]|(?<![\w$\u0080-\uffff])\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/g;
  let open: string | undefined;
  return (line) => {
    const isInside = open !== undefined;
    for (let at = 0; ;) {
      if (open === undefined) {
        begins.lastIndex = at;
        const begun = begins.exec(line);
        if (begun === null || begun[0] === '--') return isInside;
        open = begun[0];
        at = begun.index + open.length;
      } else {
        const end = line.indexOf(open, at);
        if (end === -1) return isInside;
        at = end + open.length;
        open = undefined;
      }
    }
  };
}

/**
 * One line at a time; undefined: it is left out. The head is what stands before the first definition, in each database of a
 * dump: settings, what --clean removes, roles.
 */
export function createRewriting({ major, crlf }: RewriteOptions): (line: string) => string | undefined {
  const membership = createMemberships();
  const isQuoted = createQuotes();
  let place: 'head' | 'body' | 'data' = 'head';
  let isCut = false;
  const inHead = (line: string): string | undefined => {
    if (major < 17 && line === 'SET transaction_timeout = 0;') return undefined;
    if (line.startsWith('GRANT ')) return membership(line);
    // Among what --clean removes are views that it makes empty first, since something hangs on them in a circle.
    if (/^-- (?:Data for )?Name: |^INSERT |^CREATE (?!DATABASE |ROLE |OR REPLACE VIEW )/.test(line))
      place = 'body';
    return ifExists(line);
  };
  const statement = (line: string): string | undefined => {
    if (/^COPY .* FROM stdin;$/.test(line)) place = 'data';
    if (/^\\connect |^-- PostgreSQL database dump$/.test(line)) place = 'head';
    // pg_dumpall's statements for tablespaces have one line or two.
    if (isCut || /^(?:CREATE|ALTER) TABLESPACE /.test(line)) {
      isCut = !line.endsWith(';');
      return undefined;
    }
    if (/^SET default_tablespace = (?!'')/.test(line)) return "SET default_tablespace = '';";
    if (/^CREATE DATABASE .* TABLESPACE = /.test(line)) return line.replace(/ TABLESPACE = [^;]+(?=;$)/, '');
    return place === 'head' ? inHead(line) : line;
  };
  return (raw) => {
    const line = crlf && raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (place !== 'data') return isQuoted(line) ? line : statement(line);
    if (line === '\\.') place = 'body';
    return line;
  };
}

/** What stands in the first bytes says whether anything is to be rewritten; a dump of a whole cluster always is. */
export function wantsRewriting(head: string, options: RewriteOptions): boolean {
  return (
    options.crlf ||
    /^-- PostgreSQL database cluster dump\r?$/m.test(head) ||
    /^(?:DROP |ALTER (?:TABLE|DOMAIN) .* (?:DROP |DETACH )|SELECT pg_catalog\.lo_unlink)/m.test(head) ||
    (options.major < 17 && /^SET transaction_timeout = 0;/m.test(head))
  );
}

/** Bytes stay what they are: a dump may have any encoding. */
export function rewriteLines(options: RewriteOptions): Transform {
  const rewrite = createRewriting(options);
  let rest = '';
  const lines = (text: string): string => {
    let out = '';
    let from = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
      const line = rewrite(text.slice(from, at));
      if (line !== undefined) out += `${line}\n`;
      from = at + 1;
    }
    rest = text.slice(from);
    return out;
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, Buffer.from(lines(rest + chunk.toString('latin1')), 'latin1'));
    },
    flush(done) {
      done(null, Buffer.from(rest === '' ? '' : (rewrite(rest) ?? ''), 'latin1'));
    },
  });
}
