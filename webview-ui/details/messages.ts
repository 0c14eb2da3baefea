/** What a page of details and the extension say to each other. A view is always complete; what can be done is for the extension to know. */
import * as z from 'zod/mini';

const pieceSchema = z.object({ text: z.string(), code: z.boolean() });
const factSchema = z.object({ name: z.string(), value: z.array(pieceSchema) });
export type PageFact = z.output<typeof factSchema>;
const actionSchema = z.object({ id: z.string(), label: z.string() });
export type PageAction = z.output<typeof actionSchema>;

export const detailsViewSchema = z.object({
  title: z.string(),
  /** "Clone", "Snapshot", "Environment". */
  kind: z.string(),
  /** How it stands, in a few words; '' where there is nothing to say. */
  standing: z.string(),
  problem: z.nullable(z.string()),
  facts: z.array(factSchema),
  /** Where its databases are, or come from. */
  members: z.object({ title: z.string(), facts: z.array(factSchema) }),
  /** What belongs together; what loses data is in the last one. */
  actions: z.array(z.object({ name: z.string(), actions: z.array(actionSchema) })),
});
export type DetailsView = z.output<typeof detailsViewSchema>;

export const toDetailsSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('view'), view: detailsViewSchema }),
]);
export type ToDetails = z.output<typeof toDetailsSchema>;

export const fromDetailsSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('run'), action: z.string() }),
  z.object({ kind: z.literal('dropped'), count: z.int().check(z.positive()) }),
]);
export type FromDetails = z.output<typeof fromDetailsSchema>;

/** Kept by VS Code over a reload of the window: which row the page is about. */
export const detailsStateSchema = z.object({ kind: z.string(), key: z.string() });
