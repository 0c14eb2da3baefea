/** Why a state file cannot be opened. */

/** The state can't be trusted; the message says why, for people. */
export class StateUnusable extends Error {
  override readonly name = 'StateUnusable';
}

/** Another process has the state open. */
export class StateHeld extends Error {
  override readonly name = 'StateHeld';
}
