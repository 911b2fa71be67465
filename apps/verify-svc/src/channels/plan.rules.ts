import type { StartVerificationRequest, VerifyChannel } from '@signalbox/contracts';
import type { VerifyChannelPolicy } from '@signalbox/tenants';
import type { PlannedChannel } from '../verification/verification.ts';

type Asked = Pick<StartVerificationRequest, 'channel'> & {
  /** E.164; null where the recipient is an email address. */
  readonly number: string | null;
  readonly email: string | null;
};

/** The channels to try, in order; empty when there is no address for the one that was asked for. */
export function planOf({ channel, number, email }: Asked, policy: VerifyChannelPolicy): PlannedChannel[] {
  if (channel === 'totp') return [{ channel, to: null }];
  const reach = (one: VerifyChannel): PlannedChannel[] => {
    const to = one === 'email' ? email : number;
    return to === null ? [] : [{ channel: one, to }];
  };
  if (channel === 'auto') return policy.order.flatMap(reach);
  const first = reach(channel);
  if (first.length === 0 || !policy.fallback) return first;
  // What comes before it in the order was not wanted.
  const rest = policy.order.slice(policy.order.indexOf(channel) + 1).filter((one) => one !== channel);
  return [...first, ...rest.flatMap(reach)];
}

/** The plan when the user asks for another channel: that one next, then what was still to come. */
export function replan(
  plan: readonly PlannedChannel[],
  position: number,
  wanted: PlannedChannel,
): { plan: PlannedChannel[]; position: number } {
  const tried = plan.slice(0, position + 1);
  const rest = plan.slice(position + 1).filter(({ channel }) => channel !== wanted.channel);
  const isCurrent = plan[position]?.channel === wanted.channel;
  return isCurrent ? { plan: [...plan], position } : { plan: [...tried, wanted, ...rest], position: position + 1 };
}
