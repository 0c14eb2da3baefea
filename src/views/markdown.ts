/** Writes text so that Markdown shows it as it is: names come from people. */

export const escaped = (text: string): string => text.replace(/[\\`*_{}[\]()#+\-.!|<>~&$]/g, '\\$&');
