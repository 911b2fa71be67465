import { Injectable } from '@nestjs/common';
import type { SendEmailCommand, EmailState } from '@signalbox/contracts';
import { requestDigest } from '@signalbox/domain-service';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { v7 as uuidv7 } from 'uuid';
import { countSteps, repeats } from '../metrics.ts';
import { findByKey, insert, naturalKey } from '../email/email.store.ts';
import { accept } from './accept.rules.ts';

export interface Acceptance {
  readonly emailId: string;
  readonly state: EmailState;
  /** `repeat`: the key was known with the same request; `conflict`: with another one, which was left alone. */
  readonly result: 'new' | 'repeat' | 'conflict';
}

/** Takes requests in, whichever way they came: one email per tenant and idempotency key, however often it is asked for. */
@Injectable()
export class Acceptor {
  /** Answers each request in order. */
  async accept(tx: Transaction, commands: readonly SendEmailCommand[]): Promise<Acceptance[]> {
    const now = new Date();
    const steps = commands.map((command) => accept(command, { id: uuidv7(), now, digest: requestDigest(command) }));
    const inserted = await insert(tx, steps);
    const others = steps.map(({ email }) => email).filter(({ id }) => !inserted.has(id));
    const known = await findByKey(tx, others);
    const results = steps.map(({ email }): Acceptance => {
      if (inserted.has(email.id)) return { emailId: email.id, state: email.state, result: 'new' };
      const earlier = known.get(naturalKey(email));
      if (!earlier) throw new Error('an idempotency key was refused as known and then not found');
      const result = earlier.requestDigest === email.requestDigest ? 'repeat' : 'conflict';
      return { emailId: earlier.id, state: earlier.state, result };
    });
    onCommit(tx, () => {
      countSteps(steps.filter(({ email }) => inserted.has(email.id)));
      for (const { result } of results) if (result !== 'new') repeats.inc({ result });
    });
    return results;
  }
}
