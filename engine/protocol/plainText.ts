/** Texts of somebody else, made harmless for who reads them. */

/** What moves a cursor, colours a terminal, fakes a line or turns the writing; what joins letters and emoji stays. */
const steering =
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069\uFEFF]/gu;

/** Lines and tabs stay. */
export const plainText = (text: string): string =>
  text.replaceAll('\r\n', '\n').replaceAll(steering, '\uFFFD');
