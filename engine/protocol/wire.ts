/** What every request carries, and where the events are: the part of the contract that takes nothing to load. */

/** Raised when a request or an entity changes so that an older client or engine would misread it. */
export const protocolVersion = 2;

/** Routes outside the table: `GET /v1/events?epoch=E&after=N` (server-sent events) and `GET /v1/openapi.json`. */
export const eventsPath = '/v1/events';
export const openapiPath = '/v1/openapi.json';
/** Sent by every client; the engine answers `protocol_mismatch` when the versions differ. */
export const protocolHeader = 'thin-clones-protocol';
/** Who asks, for `createdBy`: a user name, percent-encoded. */
export const clientHeader = 'thin-clones-client';
/** The same key twice has one effect. */
export const idempotencyHeader = 'idempotency-key';
/** With every answer of another host's engine: milliseconds since 1970 by the clock there. */
export const timeHeader = 'thin-clones-time';
/** With every answer to a change: `EPOCH:N`, where the events began that the change made. */
export const positionHeader = 'thin-clones-position';
