import { v7 as uuidv7 } from 'uuid';
import type { Sign } from './guard.rules.ts';
import type { Level } from './prefix.rules.ts';

/** A prefix to which no codes are sent, or were not. Times are ISO 8601 UTC. */
export interface Block {
  /** Also the id of its anomaly. */
  readonly id: string;
  readonly tenant: string;
  readonly prefix: string;
  readonly level: Level | 'manual';
  readonly madeBy: 'guard' | 'admin';
  readonly signs: readonly Sign[];
  readonly note: string | null;
  /** Verifications looked at when it was made, and how many of them were approved. */
  readonly started: number;
  readonly approved: number;
  /** Share without approval that is usual for the prefix. */
  readonly usualShare: number;
  readonly blockedAt: string;
  /** Null: until an administrator lifts it. */
  readonly expiresAt: string | null;
  readonly endedAt: string | null;
  readonly endedBy: 'time' | 'conversion' | 'admin' | 'replaced' | null;
}

/** A block of the guard's own, from now on. */
export function newBlock(
  facts: Pick<Block, 'tenant' | 'prefix' | 'level' | 'signs' | 'started' | 'approved' | 'usualShare'>,
  now: Date,
  blockMs: number,
): Block {
  return {
    ...facts,
    id: uuidv7(),
    madeBy: 'guard',
    note: null,
    blockedAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + blockMs).toISOString(),
    endedAt: null,
    endedBy: null,
  };
}
