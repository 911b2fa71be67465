import type { Topic } from '@signalbox/contracts';
import { type EventRecord, RecordTooLarge } from '@signalbox/kafka';
import { ProblemException } from '@signalbox/service';
import { counter, type Logger } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { readStatusCallback } from '@signalbox/twilio';
import type { RawFormRequest } from '../http/raw-form.ts';
import type { PublicUrl } from '../http/public-url.ts';
import { authenticate, type RefusedCallback } from '../twilio/authenticate.ts';
import type { AuthenticCallback, CallbackRecord, Normalised } from '../twilio/normalise.rules.ts';
import { RefusalBudget } from './refusal-budget.rules.ts';

/** A kind of callback: where it comes in, what it becomes, and where that goes. */
export interface CallbackKind {
  /** As in metrics and logs. */
  readonly route: string;
  readonly topic: Topic;
  readonly normalise: (callback: AuthenticCallback) => Normalised<CallbackRecord>;
}

/** Makes a record durable. */
export interface CallbackStore {
  /**
   * Resolves when it is.
   * @throws RecordTooLarge; anything else means that it cannot be stored at present
   */
  publish(topic: Topic, record: EventRecord): Promise<void>;
}

export type CallbackResult = 'accepted' | 'unavailable' | RefusedCallback['result'];

const callbacks = counter('signalbox_callbacks_total', 'Callbacks, by what became of them', ['route', 'result']);
const tokenIndexes = counter(
  'signalbox_callback_token_index_total',
  'Authentic callbacks, by which of the auth tokens signed them; 0 is the first',
  ['tenant', 'index'],
);

/** The one way of a callback: verify, decode, make durable. When it returns, the callback may be answered. */
export class Intake {
  readonly #refusals = new RefusalBudget();

  constructor(
    private readonly publicUrl: PublicUrl,
    private readonly tenants: Pick<TenantDirectory, 'byAccountSid'>,
    private readonly store: CallbackStore,
    private readonly logger: Logger,
  ) {}

  /** @throws ProblemException with the answer, when the callback cannot be taken */
  async take({ route, topic, normalise }: CallbackKind, request: RawFormRequest): Promise<void> {
    const target = request.raw.url ?? '';
    const url = this.publicUrl.of(target);
    const signature = request.headers['x-twilio-signature'];
    const verified = authenticate(
      { url, body: request.body ?? '', signature: typeof signature === 'string' ? signature : undefined },
      this.tenants,
    );
    if (!verified.ok) throw this.#refuse(route, verified, url, request.ip);

    const { tenant, params, tokenIndex } = verified;
    const { accountSid } = tenant.twilio;
    tokenIndexes.inc({ tenant: tenant.name, index: tokenIndex });
    const { messageId } = readStatusCallback(target);
    const receivedAt = new Date().toISOString();
    const normalised = normalise({ tenant: tenant.name, accountSid, params, messageId, receivedAt });
    if (!normalised.ok) {
      throw this.#refuse(route, { result: 'malformed', why: `no ${normalised.missing}`, accountSid }, url, request.ip);
    }

    try {
      await this.store.publish(topic, normalised.record);
    } catch (error) {
      throw this.#notDurable(route, error);
    }
    callbacks.inc({ route, result: 'accepted' });
  }

  #refuse(
    route: string,
    { result, why, accountSid }: Pick<RefusedCallback, 'result' | 'accountSid'> & { readonly why: string },
    url: string,
    source: string,
  ): ProblemException {
    callbacks.inc({ route, result });
    const suppressed = this.#refusals.take(Date.now());
    if (suppressed !== undefined) {
      // The URL is what the signature was checked against: where it differs from what Twilio was given, that is the fault.
      const about = {
        route,
        result,
        why,
        accountSid: accountSid?.slice(0, 40),
        url: url.slice(0, 300),
        source,
        suppressed,
      };
      this.logger.warn(about, 'callback refused');
    }
    // One answer for all that fails to prove itself: it must not tell which accounts exist.
    return result === 'malformed'
      ? new ProblemException(400, 'Bad Request', 'The form cannot be read as a callback of this kind')
      : new ProblemException(403, 'Forbidden', 'The signature is not that of a known account');
  }

  #notDurable(route: string, error: unknown): ProblemException {
    if (error instanceof RecordTooLarge) {
      callbacks.inc({ route, result: 'malformed' });
      return new ProblemException(413, 'Content Too Large');
    }
    callbacks.inc({ route, result: 'unavailable' });
    this.logger.error({ err: error, route }, 'callback not stored');
    return new ProblemException(
      503,
      'Service Unavailable',
      'Nothing was stored, send it again',
      {},
      { 'retry-after': '2' },
    );
  }
}
