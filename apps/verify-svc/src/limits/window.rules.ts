/** A sliding window of sends, as the database has it. */
export interface Window {
  /** Keyed hash of what is limited, behind the letter of its scope. */
  readonly key: string;
  /** When, in milliseconds since 1970, oldest first. */
  readonly at: readonly number[];
  /** How many each time. */
  readonly sends: readonly number[];
}

export type LimitScope = 'recipient' | 'user' | 'ip' | 'tenant';

/** What a window allows. */
export interface Limit {
  readonly scope: LimitScope;
  readonly key: string;
  readonly sends: number;
  readonly perMs: number;
  /** Between two sends; 0 for none. */
  readonly coolDownMs: number;
}

export type Room = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number };

/** A window that may hold more than this many sends keeps them by sixtieths of its period, not one by one. */
const exactUpTo = 60;

/** Whether there is room for one send more. */
export function room(window: Window, limit: Limit, now: number): Room {
  const { at, sends } = slide(window, limit, now);
  const wait = Math.max(coolDown(at, limit, now), untilFree(at, sends, limit, now));
  return wait > 0 ? { ok: false, retryAfterMs: wait } : { ok: true };
}

/** The window with one send more. */
export function take(window: Window, limit: Limit, now: number): Window {
  const { at, sends } = slide(window, limit, now);
  const grain = limit.sends > exactUpTo ? limit.perMs / exactUpTo : 0;
  const last = at.at(-1);
  if (last !== undefined && grain > 0 && Math.floor(last / grain) === Math.floor(now / grain)) {
    // Kept as of its latest send, so that none leaves the window too early.
    return {
      key: window.key,
      at: [...at.slice(0, -1), Math.max(last, now)],
      sends: [...sends.slice(0, -1), (sends.at(-1) ?? 0) + 1],
    };
  }
  return { key: window.key, at: [...at, Math.max(last ?? 0, now)], sends: [...sends, 1] };
}

/** When the next send is possible, in milliseconds since 1970; `now` when it is at once. */
export function nextPossible(window: Window, limit: Limit, now: number): number {
  const judged = room(window, limit, now);
  return judged.ok ? now : now + judged.retryAfterMs;
}

/** When the window is empty again and can be forgotten. */
export function emptyAt(window: Window, limit: Limit): number {
  return (window.at.at(-1) ?? 0) + Math.max(limit.perMs, limit.coolDownMs);
}

function slide({ at, sends }: Window, { perMs, coolDownMs }: Limit, now: number): Pick<Window, 'at' | 'sends'> {
  const first = at.findIndex((time) => time > now - Math.max(perMs, coolDownMs));
  return first === -1 ? { at: [], sends: [] } : { at: at.slice(first), sends: sends.slice(first) };
}

function coolDown(at: readonly number[], { coolDownMs }: Limit, now: number): number {
  const last = at.at(-1);
  return last === undefined || coolDownMs === 0 ? 0 : last + coolDownMs - now;
}

/** Until so many sends have left the window that one more fits in. */
function untilFree(at: readonly number[], sends: readonly number[], limit: Limit, now: number): number {
  let inside = 0;
  for (let index = at.length - 1; index >= 0; index--) {
    const time = at[index] ?? 0;
    if (time <= now - limit.perMs) break;
    inside += sends[index] ?? 0;
    if (inside >= limit.sends) return time + limit.perMs - now;
  }
  return 0;
}
