/** What another host writes, made harmless for who reads it here: it may be broken, or hostile. */
import { fail, ThinClonesError } from '../protocol/errors.ts';
import type { ClockThere } from './clockThere.ts';
import { plainText } from '../protocol/plainText.ts';

/** Levels of a document; ours have ten. */
const deepest = 30;

/** The same document, whose texts steer nothing. */
export function plainTexts<Value>(value: Value): Value {
  return within(value, 0) as Value;
}

function within(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return plainText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === deepest) return null;
  if (Array.isArray(value)) return value.map((each) => within(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [plainText(key), within(each, depth + 1)]),
  );
}

/** Refusals that are of this engine where they come from it: a client would look after the wrong one. */
const ofAnEngine = ['unauthorized', 'forbidden_origin', 'shutting_down', 'engine_unreachable'];
const longestMessage = 4000;

/** A refusal of another host's engine, as it may be told here. */
export function refusalThere(
  host: string,
  error: ThinClonesError,
  clock: Pick<ClockThere, 'here'>,
): ThinClonesError {
  const { code, message, next, ...rest } = plainTexts(error.document);
  if (ofAnEngine.includes(code))
    return fail('host_unreachable', { host, problem: message.slice(0, longestMessage) }, { cause: error });
  if (code === 'protocol_mismatch') {
    const { engine, client } = rest.details;
    return fail(
      'protocol_mismatch',
      { engine: Number(engine), client: Number(client), host },
      { cause: error },
    );
  }
  if (code === 'clone_protected') {
    const { clone, until } = clock.here(rest.details);
    const short = (text: unknown): string => String(text).slice(0, longestMessage);
    return fail('clone_protected', { clone: short(clone), until: short(until) }, { cause: error });
  }
  const told = { message: message.slice(0, longestMessage), next: next.slice(0, longestMessage) };
  // Another status would be taken for an answer.
  const status = error.status >= 400 && error.status < 600 ? error.status : 500;
  return new ThinClonesError({ ...rest, code, ...told }, status, { cause: error });
}
