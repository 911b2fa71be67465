import { Controller, Header, HttpCode, Post, Req } from '@nestjs/common';
import { topics } from '@signalbox/contracts';
import type { RawFormRequest } from '../http/raw-form.ts';
import { type CallbackKind, Intake } from '../intake/intake.ts';
import { normaliseMessageReceived, normaliseMessageStatus } from './normalise.rules.ts';

const messageStatus: CallbackKind = {
  route: '/twilio/sms/status',
  topic: topics.twilioMessageCallbacks,
  normalise: normaliseMessageStatus,
};
const messageReceived: CallbackKind = {
  route: '/twilio/sms/inbound',
  topic: topics.twilioInboundCallbacks,
  normalise: normaliseMessageReceived,
};

/** Callbacks of Messaging: SMS, MMS and WhatsApp. */
@Controller('twilio/sms')
export class MessagingController {
  constructor(private readonly intake: Intake) {}

  @Post('status')
  @HttpCode(204)
  async status(@Req() request: RawFormRequest): Promise<void> {
    await this.intake.take(messageStatus, request);
  }

  /** An empty TwiML document: no reply is sent to the person. */
  @Post('inbound')
  @HttpCode(200)
  @Header('content-type', 'text/xml; charset=utf-8')
  async inbound(@Req() request: RawFormRequest): Promise<string> {
    await this.intake.take(messageReceived, request);
    return '<?xml version="1.0" encoding="UTF-8"?><Response/>';
  }
}
