import { emptyAt, type Limit, type LimitScope, nextPossible, room, take, type Window } from './window.rules.ts';

/** `user`: somebody asked; `provider`: the channel before did not work, so there is no cool-down. */
export type AskedBy = 'user' | 'provider';

export type Taken =
  | { readonly ok: true; readonly nextSendAt: number }
  | { readonly ok: false; readonly scope: LimitScope; readonly retryAfterMs: number };

/** The windows of a transaction, from which its sends take one after the other. */
export class Budget {
  readonly #windows: Map<string, Window>;
  readonly #taken = new Map<string, number>();

  constructor(
    windows: ReadonlyMap<string, Window>,
    /** Milliseconds since 1970. */
    readonly now: number,
  ) {
    this.#windows = new Map(windows);
  }

  /** Takes a send from every limit, or from none: then the answer is the one that lasts longest. */
  take(limits: readonly Limit[], by: AskedBy): Taken {
    const applied = by === 'user' ? limits : limits.map((limit) => ({ ...limit, coolDownMs: 0 }));
    let worst: Extract<Taken, { ok: false }> | undefined;
    for (const limit of applied) {
      const judged = room(this.#of(limit), limit, this.now);
      if (!judged.ok && judged.retryAfterMs > (worst?.retryAfterMs ?? 0)) {
        worst = { ok: false, scope: limit.scope, retryAfterMs: judged.retryAfterMs };
      }
    }
    if (worst) return worst;
    for (const limit of limits) {
      const window = take(this.#of(limit), limit, this.now);
      this.#windows.set(limit.key, window);
      this.#taken.set(limit.key, emptyAt(window, limit));
    }
    return { ok: true, nextSendAt: this.nextSendAt(limits) };
  }

  nextSendAt(limits: readonly Limit[]): number {
    return Math.max(this.now, ...limits.map((limit) => nextPossible(this.#of(limit), limit, this.now)));
  }

  /** What is to be saved. */
  taken(): { window: Window; expiresAt: Date }[] {
    return [...this.#taken].map(([key, expiresAt]) => ({
      window: this.#windows.get(key) ?? empty(key),
      expiresAt: new Date(expiresAt),
    }));
  }

  #of({ key }: Limit): Window {
    return this.#windows.get(key) ?? empty(key);
  }
}

const empty = (key: string): Window => ({ key, at: [], sends: [] });
