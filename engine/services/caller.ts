/** Who asks for a change. */
export interface Caller {
  user: string;
  idempotencyKey?: string | undefined;
}
