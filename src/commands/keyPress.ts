/** Tells a key from other ways to run a command. */

/** The argument that package.json gives to our keys. */
export const isKeyPress = (argument: unknown): boolean =>
  typeof argument === 'object' && argument !== null && 'on' in argument && argument.on === 'focusedRow';
