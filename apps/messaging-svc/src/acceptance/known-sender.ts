import type { SendCommand } from '@signalbox/contracts';
import type { Transaction } from '@signalbox/persistence';
import type { Tenant } from '@signalbox/tenants';
import { toE164 } from '@signalbox/twilio';
import { knownSenders, personKey } from '../inbound/known-sender.store.ts';

/**
 * For tenants with several senders and no messaging service to choose among them: a request that names none goes out from
 * the sender its recipient knows. All other requests stay as they are.
 */
export async function fromKnownSenders(
  tx: Transaction,
  commands: readonly SendCommand[],
  tenantOf: (name: string) => Tenant | undefined,
): Promise<SendCommand[]> {
  const open = commands.map((command) => isOpen(command, tenantOf(command.tenant)));
  if (!open.includes(true)) return [...commands];
  const known = await knownSenders(tx, commands.filter((_, index) => open[index]).map(personOf));
  return commands.map((command, index) => {
    const from = open[index] ? known.get(personKey(personOf(command))) : undefined;
    return from !== undefined && owns(tenantOf(command.tenant), from) ? { ...command, from } : command;
  });
}

function isOpen(command: SendCommand, tenant: Tenant | undefined): boolean {
  if (command.from || command.messagingService || tenant?.defaultMessagingService !== undefined) return false;
  return (tenant?.senders.length ?? 0) > 1;
}

function personOf(command: SendCommand) {
  const number = toE164(command.to, command.channel);
  return { tenant: command.tenant, address: number.ok ? number.e164 : command.to };
}

/** One they wrote to may have been given up since. */
function owns(tenant: Tenant | undefined, sender: string): boolean {
  const plain = sender.replace(/^whatsapp:/, '');
  return tenant?.senders.some((owned) => owned === sender || owned === plain) ?? false;
}
