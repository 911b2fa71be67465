/** What a bearer of the HTTP APIs may do; `admin` implies the others. */
export const scopes = ['send', 'read', 'admin'] as const;

export type Scope = (typeof scopes)[number];
