import { Injectable } from '@nestjs/common';
import type { PlaceCallCommand, CallState } from '@signalbox/contracts';
import { requestDigest } from '@signalbox/domain-service';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { v7 as uuidv7 } from 'uuid';
import { countSteps, repeats } from '../metrics.ts';
import { findByKey, insert, naturalKey } from '../call/call.store.ts';
import { accept } from './accept.rules.ts';

export interface Acceptance {
  readonly callId: string;
  readonly state: CallState;
  /** `repeat`: the key was known with the same request; `conflict`: with another one, which was left alone. */
  readonly result: 'new' | 'repeat' | 'conflict';
}

/** Takes requests in, whichever way they came: one call per tenant and idempotency key, however often it is asked for. */
@Injectable()
export class Acceptor {
  /** Answers each request in order. */
  async accept(tx: Transaction, commands: readonly PlaceCallCommand[]): Promise<Acceptance[]> {
    const now = new Date();
    const steps = commands.map((command) => accept(command, { id: uuidv7(), now, digest: requestDigest(command) }));
    const inserted = await insert(tx, steps);
    const others = steps.map(({ call }) => call).filter(({ id }) => !inserted.has(id));
    const known = await findByKey(tx, others);
    const results = steps.map(({ call }): Acceptance => {
      if (inserted.has(call.id)) return { callId: call.id, state: call.state, result: 'new' };
      const earlier = known.get(naturalKey(call));
      if (!earlier) throw new Error('an idempotency key was refused as known and then not found');
      const result = earlier.requestDigest === call.requestDigest ? 'repeat' : 'conflict';
      return { callId: earlier.id, state: earlier.state, result };
    });
    onCommit(tx, () => {
      countSteps(steps.filter(({ call }) => inserted.has(call.id)));
      for (const { result } of results) if (result !== 'new') repeats.inc({ result });
    });
    return results;
  }
}
