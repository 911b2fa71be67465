export interface OptOut {
  /** The sender, or the messaging service that owns it. */
  scope: string;
  recipient: string;
  since: string;
}

/** Who told whom to stop: per sender and recipient, or for a whole messaging service. */
export class OptOuts {
  readonly #optOuts = new Map<string, OptOut>();

  add(scope: string, recipient: string, now: number): void {
    this.#optOuts.set(key(scope, recipient), { scope, recipient, since: new Date(now).toISOString() });
  }

  remove(scope: string, recipient: string): void {
    this.#optOuts.delete(key(scope, recipient));
  }

  has(scope: string, recipient: string): boolean {
    return this.#optOuts.has(key(scope, recipient));
  }

  list(): OptOut[] {
    return [...this.#optOuts.values()];
  }

  clear(): void {
    this.#optOuts.clear();
  }
}

const key = (scope: string, recipient: string) => `${scope} ${recipient}`;
