import { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Post, StreamableFile } from '@nestjs/common';
import { ProblemException, ZodBody, ZodQuery } from '@signalbox/service';
import { z } from 'zod';
import { CallbackSender } from '../callbacks/callback-sender.ts';
import { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { type FaultPlan, faultPlan } from '../faults/fault-plan.ts';
import { Faults } from '../faults/faults.ts';
import { type InboundMessage, inboundMessage, InboundMessages } from '../inbound/inbound-messages.ts';
import { OptOuts } from '../inbound/opt-outs.ts';
import { WhatsAppSessions } from '../inbound/whatsapp-sessions.ts';
import { Ledger } from '../ledger.ts';
import { EmailEvents } from '../sendgrid-api/email-events.ts';
import { Emails } from '../sendgrid-api/emails.ts';
import { SendgridAccounts } from '../sendgrid-api/sendgrid-accounts.ts';
import { Timers } from '../timers.ts';
import { Trunking } from '../trunking-api/trunking.ts';
import { Services } from '../verify-api/services.ts';
import { Verifications } from '../verify-api/verifications.ts';
import { Calls, type InboundCall, inboundCall } from '../voice-api/calls.ts';
import { type WebhookRequest, webhookRequest, Webhooks } from '../webhooks/webhooks.ts';
import { acceptedMessages } from './accepted-messages.ts';

const acceptedQuery = z.object({
  to: z.string().optional(),
  limit: z.coerce.number().int().min(0).default(1_000_000),
});

/** Somebody texts or, with `kind: "call"`, calls in. */
const inbound = z.union([inboundCall, inboundMessage]);

/** What tests and operators use to look behind the provider's counter and to make it misbehave. */
@Controller('_sim')
export class ControlController {
  constructor(
    private readonly ledger: Ledger,
    private readonly faults: Faults,
    private readonly timers: Timers,
    private readonly sender: CallbackSender,
    private readonly callbacks: StatusCallbacks,
    private readonly inbound: InboundMessages,
    private readonly webhooks: Webhooks,
    private readonly optOuts: OptOuts,
    private readonly sessions: WhatsAppSessions,
    private readonly verifyServices: Services,
    private readonly verifications: Verifications,
    private readonly sendgrid: SendgridAccounts,
    private readonly emails: Emails,
    private readonly emailEvents: EmailEvents,
    private readonly calls: Calls,
    private readonly trunking: Trunking,
  ) {}

  @Get('messages')
  messages(@ZodQuery(acceptedQuery) { to, limit }: z.output<typeof acceptedQuery>): StreamableFile {
    const list = acceptedMessages(this.ledger.oldestFirst(to), limit);
    return new StreamableFile(Readable.from(list, { objectMode: false }), { type: 'application/json; charset=utf-8' });
  }

  @Get('faults')
  plan() {
    return this.faults.plan;
  }

  @Post('faults')
  @HttpCode(200)
  replacePlan(@ZodBody(faultPlan) plan: FaultPlan) {
    this.faults.replace(plan);
    return this.faults.plan;
  }

  @Get('callbacks')
  callbackCounters() {
    return { ...this.sender.counters, ...this.callbacks.counters };
  }

  /** One callback of a kind the simulator does not play by itself, posted at once; the answer is the edge's. */
  @Post('callbacks')
  @HttpCode(200)
  postCallback(@ZodBody(webhookRequest) request: WebhookRequest) {
    return this.webhooks.post(request);
  }

  @Get('opt-outs')
  listOptOuts() {
    return this.optOuts.list();
  }

  @Post('inbound')
  receive(@ZodBody(inbound) request: InboundCall | InboundMessage) {
    if ('kind' in request) {
      const call = this.calls.receive(request);
      if (!call) throw new ProblemException(400, 'Invalid request', `Nothing answers calls to ${request.to}`);
      return call;
    }
    const received = this.inbound.receive(request);
    if (!received) throw new ProblemException(400, 'Invalid request', `No account owns ${request.to}`);
    return received;
  }

  @Post('reset')
  @HttpCode(204)
  reset(): void {
    this.timers.cancelAll();
    this.sender.clear();
    this.callbacks.clear();
    this.faults.clear();
    this.optOuts.clear();
    this.sessions.clear();
    this.ledger.clear();
    this.verifyServices.reset();
    this.verifications.clear();
    this.sendgrid.clear();
    this.emails.clear();
    this.emailEvents.clear();
    this.calls.clear();
    this.trunking.clear();
  }
}
