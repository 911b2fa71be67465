import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import type { Failure } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import type { Attempt, SendOutcome } from '@signalbox/outbound';
import { failpoints, type Transact } from '@signalbox/persistence';
import { SendgridApiError, sendgridClient, SendgridTransportError } from '@signalbox/sendgrid';
import { LOGGER } from '@signalbox/service';
import { type Logger, SpanKind, withSpan } from '@signalbox/telemetry';
import { type Tenant, TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type EmailConfig } from '../config.ts';
import { type EmailBody, readBodies } from '../email/body.store.ts';
import type { Email } from '../email/email.ts';
import { failures } from '../email/failures.ts';
import { batchSize, poolChecks, providerSeconds, templateLookUps } from '../metrics.ts';
import { UnsubscribeLinks } from '../suppression/unsubscribe-links.ts';
import { poolNameOf } from '../warmup/pool.rules.ts';
import { hasPool } from '../warmup/sendgrid-pools.ts';
import { markCalled } from './attempt.store.ts';
import { templateNameOf } from '../templates/template.rules.ts';
import { templateIdOf } from '../templates/sendgrid-templates.ts';
import { Batches } from './batches.ts';
import { maxPersonalizations, toMail } from './mail.ts';
import { judgeRefusal } from './refusal.rules.ts';

if (failpoints.on) {
  subscribe('http.client.request.start', (event) => {
    const { request } = event as { request: ClientRequest };
    if (request.path === '/v3/mail/send') request.once('finish', () => failpoints.reached('dispatch.sent'));
  });
}

interface Sending {
  readonly email: Email;
  readonly attempt: Attempt;
}

/** Long enough for what was claimed together to come together. */
const windowMs = 3;

/** Characters of template data in one call; SendGrid takes 30 MB, of which attachments may need half. */
const maxDataLength = 8_000_000;

/** mail/send, as dispatch needs it: emails that share a body and an IP pool go through one call. */
@Injectable()
export class EmailProvider {
  readonly #transact: Transact;
  readonly #tenants: TenantDirectory;
  readonly #config: EmailConfig;
  readonly #links: UnsubscribeLinks;
  readonly #log: Logger;
  readonly #batches: Batches<Sending, SendOutcome>;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: EmailConfig,
    @Inject(UnsubscribeLinks) links: UnsubscribeLinks,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#tenants = tenants;
    this.#config = config;
    this.#links = links;
    this.#log = log;
    this.#batches = new Batches<Sending, SendOutcome>({
      handOver: (_key, batch) => this.#throughItsPool(batch),
      maxItems: maxPersonalizations,
      maxSize: maxDataLength,
      sizeOf: ({ email }) => (email.templateData === null ? 0 : JSON.stringify(email.templateData).length),
      distinct: ({ email }) => email.to,
      windowMs,
    });
  }

  /** Hands the email over, with others if there are any of the same body and pool. Never throws: whatever happens, the attempt has an outcome. */
  send(email: Email, attempt: Attempt): Promise<SendOutcome> {
    // By its pool too, because a call has one.
    return this.#batches.add(JSON.stringify([email.bodyKey, poolNameOf(email)]), { email, attempt });
  }

  /** Holds emails back for whose pool SendGrid would take them and never send them. */
  async #throughItsPool(batch: readonly Sending[]): Promise<readonly SendOutcome[]> {
    const first = batch[0]?.email;
    const tenant = this.#tenants.byName(first?.tenant ?? '');
    const pool = first ? poolNameOf(first) : null;
    if (!first || pool === null || !tenant?.sendgrid?.apiKey) return this.#withTemplateId(first?.bodyKey ?? '', batch);
    const known = await hasPool(tenant, pool, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS }, (error) =>
      this.#log.warn({ err: error, tenant: tenant.name }, "SendGrid's IP pools could not be read; emails go unchecked"),
    );
    poolChecks.inc({ result: known });
    if (known !== 'unknown') return this.#withTemplateId(first.bodyKey, batch);
    this.#log.error(
      { tenant: tenant.name, pool, emails: batch.length },
      'SendGrid has no such IP pool: emails are held',
    );
    return batch.map(() => deferred(failures.poolUnknown, 10_000));
  }

  /** Puts SendGrid's id in the place of a template's name, which emails of one body have in common. */
  async #withTemplateId(bodyKey: string, batch: readonly Sending[]): Promise<readonly SendOutcome[]> {
    const first = batch[0]?.email;
    const name = templateNameOf(first?.templateId ?? null);
    const tenant = this.#tenants.byName(first?.tenant ?? '');
    if (name === undefined || !tenant?.sendgrid?.apiKey) return this.#handOver(bodyKey, batch);
    let templateId: string | undefined;
    try {
      templateId = await templateIdOf(tenant, name, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS });
    } catch (error) {
      templateLookUps.inc({ tenant: tenant.name, result: 'failed' });
      this.#log.warn({ err: error, tenant: tenant.name }, "SendGrid's templates could not be read");
      return batch.map(() => outcomeOfLookUp(error));
    }
    templateLookUps.inc({ tenant: tenant.name, result: templateId === undefined ? 'not_applied' : 'ok' });
    if (templateId === undefined) return batch.map(() => deferred(failures.templateNotApplied, 10_000));
    const id = templateId;
    return this.#handOver(
      bodyKey,
      batch.map(({ email, attempt }) => ({ email: { ...email, templateId: id }, attempt })),
    );
  }

  async #handOver(bodyKey: string, batch: readonly Sending[]): Promise<readonly SendOutcome[]> {
    const first = batch[0]?.email;
    const tenant = this.#tenants.byName(first?.tenant ?? '');
    if (!first || !tenant) return batch.map(() => deferred(tenantGone, 30_000));
    if (!tenant.sendgrid?.apiKey) return batch.map(() => deferred(failures.notConfigured, 30_000));
    let body: EmailBody | undefined;
    let callable: ReadonlySet<string>;
    try {
      [body, callable] = await this.#transact(async (tx) => {
        const bodies = await readBodies(tx, [bodyKey]);
        return [
          bodies.get(bodyKey),
          await markCalled(
            tx,
            batch.map(({ attempt }) => attempt),
          ),
        ];
      });
    } catch (error) {
      this.#log.warn({ err: error }, 'a call could not be prepared');
      return batch.map(() => deferred(notPrepared, null));
    }
    if (!body) return batch.map((): SendOutcome => ({ kind: 'refused', error: failures.bodyGone, httpStatus: null }));
    failpoints.reached('dispatch.noted');
    const outcomes = new Map<Sending, SendOutcome>();
    const sendings = batch.filter(({ email }) => callable.has(email.id));
    if (sendings.length > 0) await this.#send(tenant, sendings, body, outcomes);
    return batch.map((sending) => outcomes.get(sending) ?? deferred(notCalledInTime, null));
  }

  /** One call; where it is refused for the sake of some, others for the rest. */
  async #send(
    tenant: Tenant,
    batch: readonly Sending[],
    body: EmailBody,
    outcomes: Map<Sending, SendOutcome>,
  ): Promise<void> {
    const all = (some: readonly Sending[], outcome: SendOutcome) => some.forEach((one) => outcomes.set(one, outcome));
    // A call must not outlive the lease of any attempt in it.
    const deadline = Math.min(...batch.map(({ attempt }) => Date.parse(attempt.leaseUntil)));
    if (Date.now() >= deadline - this.#config.PROVIDER_TIMEOUT_MS) return all(batch, deferred(notCalledInTime, null));
    const answer = await this.#call(tenant, batch, body);
    if ('kind' in answer) return all(batch, answer);

    const verdict = judgeRefusal(answer, batch.length);
    this.#log.warn(
      {
        tenant: tenant.name,
        httpStatus: answer.status,
        emails: batch.length,
        fields: answer.faults.map(({ field }) => field).slice(0, 10),
        verdict: verdict.kind,
      },
      'SendGrid refused a call',
    );
    switch (verdict.kind) {
      case 'all':
        return all(batch, verdict.outcome);
      case 'some': {
        const isAtFault = (_one: Sending, index: number) => verdict.at.has(index);
        all(batch.filter(isAtFault), verdict.outcome);
        const rest = batch.filter((one, index) => !isAtFault(one, index));
        return rest.length > 0 ? this.#send(tenant, rest, body, outcomes) : undefined;
      }
      case 'halves': {
        const half = batch.length >> 1;
        await this.#send(tenant, batch.slice(0, half), body, outcomes);
        return this.#send(tenant, batch.slice(half), body, outcomes);
      }
    }
  }

  async #call(tenant: Tenant, batch: readonly Sending[], body: EmailBody): Promise<SendOutcome | SendgridApiError> {
    const emails = batch.map(({ email }) => email);
    batchSize.observe(emails.length);
    const options = {
      kind: SpanKind.CLIENT,
      parent: emails[0]?.traceparent,
      attributes: { 'signalbox.email.id': emails[0]?.id ?? '', 'signalbox.emails': emails.length },
    };
    return withSpan('send emails', options, async (span) => {
      const stop = providerSeconds.startTimer({ operation: 'mail.send' });
      try {
        const client = sendgridClient(tenant, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS });
        const sid = await client.send(toMail(emails, body, (email) => this.#links.urlOf(email)));
        stop({ status: '2xx' });
        span.setAttribute('signalbox.provider.sid', sid ?? '');
        return { kind: 'accepted', sid: sid ?? '', status: 'accepted', httpStatus: 202 };
      } catch (error) {
        stop({ status: error instanceof SendgridApiError ? String(error.status) : 'none' });
        if (error instanceof SendgridApiError) return error;
        // What the SDK has no code for is not the network.
        const isForeseen = error instanceof SendgridTransportError && error.code !== 'UNKNOWN';
        if (!isForeseen) {
          this.#log.error(
            { tenant: tenant.name, emails: emails.length, ...placeOf(error) },
            'a call ended unexpectedly',
          );
        }
        return outcomeOfSilence(error);
      }
    });
  }
}

/** Nothing was sent yet: a refused key holds the account as it does in a send, a missing scope for templates only these emails. */
function outcomeOfLookUp(error: unknown): SendOutcome {
  if (error instanceof SendgridApiError && (error.status === 401 || error.status === 429)) {
    const verdict = judgeRefusal(error, 1);
    if (verdict.kind === 'all') return verdict.outcome;
  }
  return deferred(failures.templatesUnreadable, null);
}

/** Where an error arose, without its message, which may quote an email. */
function placeOf(thrown: unknown): { error: string; at: string[] } {
  const error = thrown instanceof SendgridTransportError ? (thrown.cause ?? thrown) : thrown;
  if (!(error instanceof Error)) return { error: typeof error, at: [] };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { error: error.name, at: frames.slice(0, 10).map((line) => line.trim()) };
}

/** Anything unexpected is in doubt, because the call may have been made. */
function outcomeOfSilence(error: unknown): SendOutcome {
  const code = error instanceof SendgridTransportError ? error.code : 'unexpected';
  const failure: Failure = { ...failures.unanswered, title: `${failures.unanswered.title}: ${code}` };
  return error instanceof SendgridTransportError && error.outcome === 'not_sent'
    ? deferred(failure, null)
    : { kind: 'in_doubt', error: failure, httpStatus: null };
}

function deferred(error: Failure, retryAfterMs: number | null): SendOutcome {
  return { kind: 'deferred', error, httpStatus: null, retryAfterMs };
}

const tenantGone: Failure = {
  code: 'unknown_tenant',
  class: 'configuration',
  title: 'The tenant is no longer in the tenant file',
  remedy: 'Put the tenant back, or let the email run out',
};

const notPrepared: Failure = {
  code: 'not_prepared',
  class: 'retryable',
  title: 'Not called: the database was away',
  remedy: 'Nothing to do: it is sent when the database is back',
};

const notCalledInTime: Failure = {
  code: 'not_called_in_time',
  class: 'retryable',
  title: 'Not called: its lease was nearly over after earlier calls of its batch',
  remedy: 'Nothing to do for it; signalbox_provider_request_seconds tells how slow the provider is',
};
