/** Says whether a document is as a JSON schema describes it: the part of JSON Schema that our own schemas use, in little code. */

/** What `conform` knows of JSON Schema. A schema that says anything else is refused where it is made (`describe.ts`). */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  /** `false` refuses what is not named; without it, what is not named is left out. */
  additionalProperties?: false | Schema;
  propertyNames?: Schema;
  minProperties?: number;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  default?: unknown;
  /** Always beside the pattern that says it. */
  format?: string;
  /** For people. */
  description?: string;
}
export const knownKeywords = [
  ...['$ref', 'type', 'const', 'enum', 'anyOf', 'oneOf', 'allOf', 'properties', 'required', 'propertyNames'],
  ...['additionalProperties', 'minProperties', 'items', 'minItems', 'maxItems', 'pattern', 'minLength'],
  ...['maxLength', 'minimum', 'maximum', 'exclusiveMinimum', 'default', 'format', 'description'],
] as const satisfies (keyof Schema)[];

export type Definitions = Readonly<Record<string, Schema>>;
export const mismatch = Symbol('mismatch');

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const kinds: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  integer: Number.isSafeInteger,
  null: (value) => value === null,
};

const patterns = new Map<string, RegExp>();
function matches(pattern: string, text: string): boolean {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) patterns.set(pattern, (compiled = new RegExp(pattern, 'u')));
  return compiled.test(text);
}

const fitsText = ({ pattern, minLength = 0, maxLength = Infinity }: Schema, text: string): boolean =>
  text.length >= minLength && text.length <= maxLength && (pattern === undefined || matches(pattern, text));

const fitsNumber = (
  { minimum = -Infinity, maximum = Infinity, exclusiveMinimum = -Infinity }: Schema,
  value: number,
): boolean => value >= minimum && value <= maximum && value > exclusiveMinimum;

function conformObject(schema: Schema, value: Record<string, unknown>, definitions: Definitions): unknown {
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema;
  const taken: Record<string, unknown> = {};
  if (required.some((name) => !Object.hasOwn(value, name))) return mismatch;
  for (const name of Object.keys(properties)) {
    const part = properties[name] ?? {};
    if (!Object.hasOwn(value, name)) {
      if (part.default !== undefined) taken[name] = structuredClone(part.default);
      continue;
    }
    if ((taken[name] = conform(part, value[name], definitions)) === mismatch) return mismatch;
  }
  if (additionalProperties !== undefined) {
    for (const name of Object.keys(value)) {
      if (Object.hasOwn(properties, name)) continue;
      if (additionalProperties === false || name === '__proto__') return mismatch;
      if (propertyNames !== undefined && conform(propertyNames, name, definitions) === mismatch)
        return mismatch;
      if ((taken[name] = conform(additionalProperties, value[name], definitions)) === mismatch)
        return mismatch;
    }
  }
  return Object.keys(taken).length < (schema.minProperties ?? 0) ? mismatch : taken;
}

function conformArray(schema: Schema, value: readonly unknown[], definitions: Definitions): unknown {
  const { items = {}, minItems = 0, maxItems = Infinity } = schema;
  if (value.length < minItems || value.length > maxItems) return mismatch;
  const taken: unknown[] = [];
  for (const item of value) {
    const part = conform(items, item, definitions);
    if (part === mismatch) return mismatch;
    taken.push(part);
  }
  return taken;
}

function conformOne(schemas: readonly Schema[], value: unknown, definitions: Definitions): unknown {
  for (const schema of schemas) {
    const taken = conform(schema, value, definitions);
    if (taken !== mismatch) return taken;
  }
  return mismatch;
}

/** The document with its defaults, and without what the schema does not name; `mismatch` when it is another. */
export function conform(schema: Schema, value: unknown, definitions: Definitions): unknown {
  if (schema.$ref !== undefined) {
    const target = definitions[schema.$ref.slice('#/$defs/'.length)];
    return target === undefined ? mismatch : conform(target, value, definitions);
  }
  const { type } = schema;
  if (type !== undefined) {
    const fits = typeof type === 'string' ? kinds[type]?.(value) : type.some((each) => kinds[each]?.(value));
    if (fits !== true) return mismatch;
  }
  if (schema.const !== undefined && schema.const !== value) return mismatch;
  if (schema.enum !== undefined && !schema.enum.includes(value)) return mismatch;
  if (schema.allOf?.some((each) => conform(each, value, definitions) === mismatch) === true) return mismatch;
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return conformOne(choices, value, definitions);
  if (typeof value === 'string') return fitsText(schema, value) ? value : mismatch;
  if (typeof value === 'number') return fitsNumber(schema, value) ? value : mismatch;
  if (Array.isArray(value)) return conformArray(schema, value, definitions);
  // A schema without a type takes everything as it is.
  return isObject(value) && type !== undefined ? conformObject(schema, value, definitions) : value;
}
