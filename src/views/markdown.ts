/** Writes text so that VS Code shows it as it is: names come from people, and texts from other machines. */

export const escaped = (text: string): string => text.replace(/[\\`*_{}[\]()#+\-.!|<>~&$]/g, '\\$&');

/** A line that a text begins itself could be a block of its own in Markdown. */
export const oneLine = (text: string): string => text.replace(/\s+/g, ' ');

/**
 * Text of somebody else for messages, prompts and lists: VS Code reads links there, also those that run a command
 * (`parseLinkedText` in src/vs/base/common/linkedText.ts), and icons.
 */
export const plain = (text: string): string => text.replace(/(\]|\$)\(/g, '$1 (');

/** A block that is read letter by letter; a text that ends it ends nothing. */
export const fenced = (text: string, language = 'text'): string =>
  `\`\`\`${language}\n${text.replaceAll('```', "'''")}\n\`\`\``;
