import { type DynamicModule, Module } from '@nestjs/common';
import { Accounts } from './accounts.ts';
import { CallbackSender } from './callbacks/callback-sender.ts';
import { StatusCallbacks } from './callbacks/status-callbacks.ts';
import type { SimulatedAccount } from './config.ts';
import { ControlController } from './control-api/control.controller.ts';
import { Delivery } from './delivery/delivery.ts';
import { FaultInterceptor } from './faults/fault.interceptor.ts';
import { Faults } from './faults/faults.ts';
import { InboundMessages } from './inbound/inbound-messages.ts';
import { OptOuts } from './inbound/opt-outs.ts';
import { WhatsAppSessions } from './inbound/whatsapp-sessions.ts';
import { Ledger } from './ledger.ts';
import { Messages } from './messages-api/messages.ts';
import { MessagesController } from './messages-api/messages.controller.ts';
import { Timers } from './timers.ts';
import { Webhooks } from './webhooks/webhooks.ts';

@Module({})
export class ProviderSimModule {
  static for(accounts: SimulatedAccount[], urls: { inbound?: string; callbacks?: string } = {}): DynamicModule {
    const played = new Accounts(accounts, urls.inbound);
    return {
      module: ProviderSimModule,
      controllers: [MessagesController, ControlController],
      providers: [
        { provide: Accounts, useValue: played },
        { provide: Webhooks, useValue: new Webhooks(played, urls.callbacks) },
        Ledger,
        Timers,
        Faults,
        OptOuts,
        WhatsAppSessions,
        CallbackSender,
        StatusCallbacks,
        Delivery,
        Messages,
        FaultInterceptor,
        InboundMessages,
      ],
    };
  }
}
