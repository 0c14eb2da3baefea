/** The first bytes of an endpoint's client: what the endpoint answers itself, until the client asks for a server. */
import type { Greeting, WireSecurity } from '../wire.ts';
import { drop, end } from './parting.ts';
import { askForServer } from './route.ts';
import type { Security } from './security.ts';
import { maxEarly, type Served } from './served.ts';

/** Goes on with what has come of it so far. */
export function greet(served: Served): void {
  const { context, client } = served;
  for (;;) {
    const greeting = context.wire?.greet(served.early) ?? { kind: 'start', length: 0 };
    switch (greeting.kind) {
      case 'more':
        return;
      case 'question':
        served.early = served.early.subarray(greeting.length);
        if (!answered(served, greeting.length, greeting.answer)) return;
        break;
      case 'secure':
        if (!declined(served, greeting)) return;
        break;
      case 'cancel':
        served.stage = 'ending';
        served.deadline.met();
        context.passCancel(greeting.key, client);
        return;
      case 'unsupported':
        end(served, greeting.answer);
        return;
      case 'garbage':
        drop(served);
        return;
      case 'start':
        served.firstBytes = greeting.length;
        askForServer(served);
        return;
    }
  }
}

/** False when it is dropped, as who asks without end would be answered without end. */
function answered(served: Served, length: number, answer: Buffer | undefined): boolean {
  served.questionBytes += length;
  if (answer === undefined || served.questionBytes > maxEarly(served)) {
    drop(served);
    return false;
  }
  served.client.write(answer);
  return true;
}

/** False when it goes on through TLS, or not at all. */
function declined(
  served: Served,
  { length, agree, decline }: Extract<Greeting, { kind: 'secure' }>,
): boolean {
  const { wire } = served.context;
  const security = served.context.security();
  served.early = served.early.subarray(length);
  // What follows the question was not said under TLS, and must not pass for that.
  const isAhead = security !== undefined && agree !== undefined && served.early.length > 0;
  if (served.security !== undefined || isAhead) {
    drop(served);
    return false;
  }
  if (wire === undefined || security === undefined) return answered(served, length, decline);
  secure(served, agree, wire.security, security);
  return false;
}

/** This connection goes on as another one, which reads and writes through TLS. */
function secure(
  served: Served,
  agree: Buffer | undefined,
  wireSecurity: WireSecurity,
  security: Security,
): void {
  const { client, context, early, deadline } = served;
  deadline.met();
  served.release();
  client.pause();
  // Whoever closes it meanwhile is heard through TLS.
  client.on('error', () => undefined);
  if (agree !== undefined) client.write(agree);
  context.secured(client, security.withClient(client, early, wireSecurity, agree === undefined), security);
}
