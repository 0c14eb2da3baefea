/** What happens when another branch is checked out. */

/** `off`: nothing; `ask`: somebody is asked before a clone is made; `automatic`: every branch gets its clone. */
export const followPolicies = ['off', 'ask', 'automatic'] as const;
export type Follow = (typeof followPolicies)[number];
