/** How a value is handed to new terminals so that they have it as it is. */

/**
 * VS Code replaces `${env:HOME}` and its like in variables of terminals (configurationResolverService.resolveWithEnvironment), and
 * has no escape for that. It takes a variable that is not set for nothing: put between, it leaves none of its own behind.
 */
export const terminalValue = (value: string): string =>
  value.replaceAll('${', () => '$${env:THIN_CLONES_NOTHING}{');
