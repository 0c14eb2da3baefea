/** Writes text so that VS Code shows it as it is: names come from people, and texts from other machines. */

export const escaped = (text: string): string => text.replace(/[\\`*_{}[\]()#+\-.!|<>~&$]/g, '\\$&');

/**
 * Text of somebody else for messages, prompts and lists: VS Code reads links there, also those that run a command
 * (`parseLinkedText` in src/vs/base/common/linkedText.ts), and icons.
 */
export const plain = (text: string): string => text.replace(/(\]|\$)\(/g, '$1 (');
