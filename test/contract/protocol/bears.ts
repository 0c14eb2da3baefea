/** Whether whoever knows one schema understands everything that is written by another: what keeps a protocol the same. */
import type { Definitions, Schema } from '../../../engine/protocol/compact/conform.ts';

/** A schema with the definitions that it refers to. */
export interface Whole {
  schema: Schema;
  definitions: Definitions;
}

interface At {
  writer: Definitions;
  reader: Definitions;
  path: string;
  /** Pairs that are being compared further out. */
  open: readonly string[];
}

const resolved = (schema: Schema, definitions: Definitions): Schema => {
  const { $ref } = schema;
  if ($ref === undefined) return schema;
  const target = definitions[$ref.slice($ref.lastIndexOf('/') + 1)];
  if (target === undefined) throw new Error(`${$ref} leads nowhere`);
  return resolved(target, definitions);
};

const typesOf = ({ type }: Schema): readonly string[] | undefined =>
  type === undefined ? undefined : typeof type === 'string' ? [type] : type;
const valuesOf = (schema: Schema): readonly unknown[] | undefined =>
  schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
const choicesOf = (schema: Schema): readonly Schema[] | undefined => schema.anyOf ?? schema.oneOf;

/** Everything that `writer` may write and `reader` does not understand, for people; empty when there is nothing. */
export function unbearable(writer: Whole, reader: Whole, path = ''): string[] {
  const at: At = { writer: writer.definitions, reader: reader.definitions, path, open: [] };
  return compare(writer.schema, reader.schema, at);
}

function compare(written: Schema, read: Schema, at: At): string[] {
  const pair = JSON.stringify([written, read]);
  if (at.open.includes(pair)) return [];
  const inner: At = { ...at, open: [...at.open, pair] };
  const writer = resolved(written, at.writer);
  const reader = resolved(read, at.reader);
  const choices = choicesOf(writer);
  if (choices !== undefined) return choices.flatMap((choice) => compare(choice, reader, inner));
  const readable = choicesOf(reader);
  if (readable !== undefined) {
    const problems = readable.map((choice) => compare(writer, choice, inner));
    // The one that comes nearest says it best.
    return problems.reduce((best, each) => (each.length < best.length ? each : best));
  }
  return compareOne(writer, reader, inner);
}

function compareOne(writer: Schema, reader: Schema, at: At): string[] {
  const say = (problem: string): string[] => [`${at.path}: ${problem}`];
  const values = valuesOf(writer);
  const known = valuesOf(reader);
  if (known !== undefined) {
    if (values === undefined) return say(`it was one of ${JSON.stringify(known)}`);
    const unknown = values.filter((value) => !known.includes(value));
    return unknown.length === 0 ? [] : say(`nobody knew ${JSON.stringify(unknown)}`);
  }
  const types = typesOf(reader);
  if (types === undefined) return [];
  const written = values?.map(kindOf) ?? typesOf(writer);
  if (written === undefined) return say(`it was ${types.join(' or ')}`);
  const strange = written.filter(
    (type) => !types.includes(type) && !(type === 'integer' && types.includes('number')),
  );
  if (strange.length > 0) return say(`it was ${types.join(' or ')}, and is ${strange.join(' or ')}`);
  return [
    ...(values === undefined ? compareBounds(writer, reader, at) : []),
    ...(types.includes('object') ? compareObjects(writer, reader, at) : []),
    ...(writer.items !== undefined && reader.items !== undefined
      ? compare(writer.items, reader.items, { ...at, path: `${at.path}[]` })
      : []),
  ];
}

const kindOf = (value: unknown): string => (value === null ? 'null' : typeof value);

const lowest = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'] as const;
const highest = ['maximum', 'maxLength', 'maxItems'] as const;

function compareBounds(writer: Schema, reader: Schema, { path }: At): string[] {
  const problems: string[] = [];
  const widened = (name: keyof Schema): void => void problems.push(`${path}: ${name} is another one`);
  for (const name of lowest)
    if (reader[name] !== undefined && (writer[name] ?? -Infinity) < reader[name]) widened(name);
  for (const name of highest)
    if (reader[name] !== undefined && (writer[name] ?? Infinity) > reader[name]) widened(name);
  if (reader.pattern !== undefined && writer.pattern !== reader.pattern) widened('pattern');
  return problems;
}

function compareObjects(writer: Schema, reader: Schema, at: At): string[] {
  const problems: string[] = [];
  const written = writer.properties ?? {};
  const read = reader.properties ?? {};
  for (const name of reader.required ?? [])
    if (!(writer.required ?? []).includes(name)) problems.push(`${at.path}.${name}: it was always there`);
  for (const [name, schema] of Object.entries(written)) {
    const path = `${at.path}.${name}`;
    const known = Object.hasOwn(read, name) ? read[name] : reader.additionalProperties;
    // Without a word of it, what is not named is left out.
    if (known === undefined) continue;
    if (known === false) problems.push(`${path}: what is not known is refused there`);
    else problems.push(...compare(schema, known, { ...at, path }));
  }
  const { additionalProperties: more } = writer;
  const { additionalProperties: taken } = reader;
  if (typeof more === 'object' && typeof taken === 'object')
    problems.push(...compare(more, taken, { ...at, path: `${at.path}.*` }));
  if (writer.propertyNames !== undefined && reader.propertyNames !== undefined)
    problems.push(
      ...compare(writer.propertyNames, reader.propertyNames, { ...at, path: `${at.path} names` }),
    );
  return problems;
}
