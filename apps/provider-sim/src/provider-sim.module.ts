import { type DynamicModule, Module } from '@nestjs/common';
import { Accounts, type DefaultUrls } from './accounts.ts';
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
import { SendgridControlController } from './sendgrid-api/control.controller.ts';
import { DomainsController } from './sendgrid-api/domains.controller.ts';
import { EmailEvents } from './sendgrid-api/email-events.ts';
import { Emails } from './sendgrid-api/emails.ts';
import { IpPoolsController } from './sendgrid-api/ip-pools.controller.ts';
import { MailController, ScopesController } from './sendgrid-api/mail.controller.ts';
import { SendgridAccounts } from './sendgrid-api/sendgrid-accounts.ts';
import { SendgridFaultInterceptor } from './sendgrid-api/sendgrid-fault.interceptor.ts';
import { GroupsController, SuppressionsController } from './sendgrid-api/suppressions.controller.ts';
import { TemplatesController } from './sendgrid-api/templates.controller.ts';
import { Timers } from './timers.ts';
import { SipListsController } from './trunking-api/sip-lists.controller.ts';
import { Trunking } from './trunking-api/trunking.ts';
import { TrunksController } from './trunking-api/trunks.controller.ts';
import { SafeListController, VerifyTemplatesController } from './verify-api/account-lists.controller.ts';
import { AttemptsController, AttemptsSummaryController } from './verify-api/attempts.controller.ts';
import { CodeDelivery } from './verify-api/code-delivery.ts';
import { VerifyControlController } from './verify-api/control.controller.ts';
import { BucketsController, RateLimitsController } from './verify-api/rate-limits.controller.ts';
import { SafeList } from './verify-api/safe-list.ts';
import { Services } from './verify-api/services.ts';
import { ServicesController } from './verify-api/services.controller.ts';
import { Verifications } from './verify-api/verifications.ts';
import { VerificationCheckController, VerificationsController } from './verify-api/verifications.controller.ts';
import { VerifyEvents } from './verify-api/verify-events.ts';
import { VerifyLedger } from './verify-api/verify-ledger.ts';
import { VerifyPlay } from './verify-api/verify-settings.ts';
import { CallLedger } from './voice-api/call.ts';
import { Calls } from './voice-api/calls.ts';
import { CallsController } from './voice-api/calls.controller.ts';
import { ConferenceListController, ConferencesController } from './voice-api/conferences.controller.ts';
import { Conferences } from './voice-api/conferences.ts';
import { VoiceControlController } from './voice-api/control.controller.ts';
import { Documents } from './voice-api/documents.ts';
import { Queues } from './voice-api/queues.ts';
import { QueuesController } from './voice-api/queues.controller.ts';
import { Recordings } from './voice-api/recordings.ts';
import { RecordingsController } from './voice-api/recordings.controller.ts';
import { Stage } from './voice-api/stage.ts';
import { Webhooks } from './webhooks/webhooks.ts';

@Module({})
export class ProviderSimModule {
  static for(accounts: SimulatedAccount[], urls: DefaultUrls = {}): DynamicModule {
    const played = new Accounts(accounts, urls);
    return {
      module: ProviderSimModule,
      controllers: [
        MessagesController,
        MailController,
        ScopesController,
        SuppressionsController,
        GroupsController,
        TemplatesController,
        DomainsController,
        IpPoolsController,
        ServicesController,
        RateLimitsController,
        BucketsController,
        VerificationsController,
        VerificationCheckController,
        AttemptsController,
        AttemptsSummaryController,
        VerifyTemplatesController,
        SafeListController,
        ControlController,
        VerifyControlController,
        SendgridControlController,
        CallsController,
        RecordingsController,
        ConferenceListController,
        ConferencesController,
        QueuesController,
        VoiceControlController,
        TrunksController,
        SipListsController,
      ],
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
        {
          provide: VerifyEvents,
          useFactory: (callbacks: StatusCallbacks) => new VerifyEvents(played, callbacks, urls.callbacks),
          inject: [StatusCallbacks],
        },
        VerifyLedger,
        VerifyPlay,
        SafeList,
        Services,
        CodeDelivery,
        Verifications,
        SendgridAccounts,
        SendgridFaultInterceptor,
        EmailEvents,
        Emails,
        CallLedger,
        Documents,
        Recordings,
        Conferences,
        Queues,
        Stage,
        Calls,
        Trunking,
      ],
    };
  }
}
