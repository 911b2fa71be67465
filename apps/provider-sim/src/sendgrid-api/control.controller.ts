import { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Post, StreamableFile } from '@nestjs/common';
import { ProblemException, ZodBody, ZodQuery } from '@signalbox/service';
import { z } from 'zod';
import { EmailEvents } from './email-events.ts';
import { type Email, Emails } from './emails.ts';
import { SendgridAccounts } from './sendgrid-accounts.ts';

const emailsQuery = z.object({
  to: z.string().optional(),
  limit: z.coerce.number().int().min(0).default(1_000_000),
});

const sendgridChange = z.strictObject({
  /** Default: the first account. */
  accountSid: z.string().optional(),
  apiKey: z.string().startsWith('SG.').optional(),
  revoked: z.boolean().optional(),
  /** Null: full access. */
  scopes: z.array(z.string()).nullable().optional(),
  domains: z
    .array(
      z.strictObject({
        domain: z.string(),
        valid: z.boolean().default(true),
        records: z
          .strictObject({ mail_cname: z.boolean(), dkim1: z.boolean(), dkim2: z.boolean() })
          .default({ mail_cname: true, dkim1: true, dkim2: true }),
      }),
    )
    .optional(),
  /** Names of its IP pools, in place of those before. */
  ipPools: z.array(z.string().min(2).max(64)).optional(),
  groups: z.array(z.strictObject({ id: z.int().min(1), name: z.string() })).optional(),
});

const CHUNK = 2_000;

/** Behind SendGrid's counter: what it accepted, and its keys. */
@Controller('_sim')
export class SendgridControlController {
  constructor(
    private readonly emails: Emails,
    private readonly events: EmailEvents,
    private readonly accounts: SendgridAccounts,
  ) {}

  @Get('emails')
  list(@ZodQuery(emailsQuery) { to, limit }: z.output<typeof emailsQuery>): StreamableFile {
    const list = jsonList(this.emails.accepted(to).slice(0, limit));
    return new StreamableFile(Readable.from(list, { objectMode: false }), { type: 'application/json; charset=utf-8' });
  }

  @Get('email-events')
  counters() {
    return { ...this.events.counters, sends: this.emails.sends };
  }

  @Post('sendgrid')
  @HttpCode(200)
  change(@ZodBody(sendgridChange) change: z.output<typeof sendgridChange>) {
    const account = this.accounts.find(change.accountSid);
    if (!account) throw new ProblemException(400, 'Invalid request', `There is no account ${change.accountSid}`);
    this.accounts.change(account, change);
    for (const { domain, ...fields } of change.domains ?? []) account.domains.put(domain, fields);
    if (change.ipPools) {
      account.pools.clear();
      for (const name of change.ipPools) account.pools.add(name);
    }
    for (const { id, name } of change.groups ?? []) {
      account.suppressions.createGroup({ name, description: name, is_default: false }, id);
    }
    return { revoked: account.revoked, scopes: account.scopes };
  }
}

function* jsonList(emails: readonly Email[]): Generator<string> {
  yield '[';
  for (let from = 0; from < emails.length; from += CHUNK) {
    const chunk = emails.slice(from, from + CHUNK).map((email) => JSON.stringify(view(email)));
    yield `${from === 0 ? '\n' : ',\n'}${chunk.join(',\n')}`;
  }
  yield '\n]\n';
}

function view({ createdAt, ...email }: Email) {
  return { ...email, createdAt: new Date(createdAt).toISOString() };
}
