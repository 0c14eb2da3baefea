/** What mocha gives a test, from Node's own runner: only Node is brought into the machine. */
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';

Object.assign(globalThis, { after, afterEach, before, beforeEach, describe, it });
