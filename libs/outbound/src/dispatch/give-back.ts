import type { Transaction } from '@signalbox/persistence';
import type { Attempt } from '../attempt/attempt.ts';
import type { QuotaBook } from '../quota/quota.book.ts';
import { type QuotaKind, quotasFor } from '../quota/quota.rules.ts';
import { giveBackCaps } from '../quota/quota.store.ts';
import type { Item } from './item.ts';

/**
 * Gives back what items have taken of daily caps whose attempt has ended without their having been sent: they have not used up any
 * of the day. In the transaction that ends the attempt, so that it is done once.
 */
export async function giveBackUnsent<I extends Item>(
  tx: Transaction,
  kinds: readonly QuotaKind<I>[],
  quotas: Pick<QuotaBook, 'of'>,
  unsent: readonly { readonly item: I; readonly attempt: Pick<Attempt, 'startedAt'> }[],
): Promise<void> {
  await giveBackCaps(
    tx,
    unsent.flatMap(({ item, attempt }) =>
      quotasFor(kinds, quotas.of(item.tenant), item).map(({ scope, budget }) => {
        return { tenant: item.tenant, scope, budget, at: Date.parse(attempt.startedAt) };
      }),
    ),
  );
}
