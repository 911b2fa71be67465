export type ListName = 'bounces' | 'blocks' | 'invalid_emails' | 'spam_reports' | 'unsubscribes';

export const listNames: readonly ListName[] = ['bounces', 'blocks', 'invalid_emails', 'spam_reports', 'unsubscribes'];

export interface ListEntry {
  readonly email: string;
  /** Unix seconds. */
  readonly created: number;
  readonly reason?: string;
  readonly status?: string;
}

export interface Group {
  readonly id: number;
  name: string;
  description: string;
  is_default: boolean;
}

/** The lists SendGrid keeps of whom it will not deliver to; addresses are compared in lower case. */
export class SuppressionLists {
  readonly #lists = new Map<ListName, Map<string, ListEntry>>(listNames.map((name) => [name, new Map()]));
  readonly #groups = new Map<number, { readonly group: Group; readonly members: Map<string, number> }>();
  #nextGroup = 1;

  list(name: ListName): ListEntry[] {
    return [...this.#of(name).values()];
  }

  entry(name: ListName, email: string): ListEntry | undefined {
    return this.#of(name).get(email.toLowerCase());
  }

  /** An address that is listed already keeps its entry. */
  add(name: ListName, entry: ListEntry): void {
    const key = entry.email.toLowerCase();
    if (!this.#of(name).has(key)) this.#of(name).set(key, { ...entry, email: key });
  }

  /** False when it was not there. */
  remove(name: ListName, email: string): boolean {
    return this.#of(name).delete(email.toLowerCase());
  }

  removeAll(name: ListName): void {
    this.#of(name).clear();
  }

  get groups(): Group[] {
    return [...this.#groups.values()].map(({ group }) => group);
  }

  group(id: number): Group | undefined {
    return this.#groups.get(id)?.group;
  }

  createGroup(fields: Omit<Group, 'id'>, id = this.#nextGroup): Group {
    this.#nextGroup = Math.max(this.#nextGroup, id + 1);
    const group = { id, ...fields };
    this.#groups.set(id, { group, members: new Map() });
    return group;
  }

  removeGroup(id: number): boolean {
    return this.#groups.delete(id);
  }

  /** Address → Unix seconds since when. */
  members(id: number): ReadonlyMap<string, number> {
    return this.#groups.get(id)?.members ?? new Map<string, number>();
  }

  join(id: number, email: string, now: number): void {
    const members = this.#groups.get(id)?.members;
    if (members && !members.has(email.toLowerCase())) members.set(email.toLowerCase(), now);
  }

  leave(id: number, email: string): boolean {
    return this.#groups.get(id)?.members.delete(email.toLowerCase()) ?? false;
  }

  #of(name: ListName): Map<string, ListEntry> {
    return this.#lists.get(name) as Map<string, ListEntry>;
  }
}
