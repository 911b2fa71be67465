import type { MessageHandler } from '@nestjs/microservices';
import type { Topic } from '@signalbox/contracts';

type Handler = Pick<MessageHandler, 'next' | 'extras'>;

/** What is wrong with the subscriptions of a service, in words; empty when every topic has exactly one handler. */
export function handlerFaults(topics: readonly Topic[], handlers: ReadonlyMap<string, Handler>): string[] {
  const declared = new Set<string>();
  const faults: string[] = [];
  for (const { name } of topics) {
    if (declared.has(name)) faults.push(`${name} is declared twice`);
    else if (!handlers.has(name)) faults.push(`${name} has no @OnBatch handler`);
    declared.add(name);
  }
  for (const [pattern, handler] of handlers) {
    const names = chain(handler).map(({ extras }) => extras?.['onBatch'] as string | undefined);
    if (names.includes(undefined)) faults.push(`${pattern} has a handler that is not @OnBatch`);
    if (names.length > 1) faults.push(`${pattern} has ${names.length} handlers: ${names.filter(Boolean).join(', ')}`);
    if (!declared.has(pattern)) faults.push(`${pattern} is handled by ${names.join(', ')} but not subscribed to`);
  }
  return faults;
}

/** Nest hangs a second handler of an event on the first one's `next`. */
function chain(handler: Handler): Handler[] {
  const found: Handler[] = [];
  for (let next: Handler | undefined = handler; next; next = next.next as Handler | undefined) found.push(next);
  return found;
}
