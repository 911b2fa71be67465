import type { Failure } from '@signalbox/contracts';
import { codesWithRunbook, entries } from './error-catalogue.data.ts';

export type FailureClass = Failure['class'];

export interface CataloguedError {
  /** Twilio's error code; null when there was none. */
  readonly code: number | null;
  readonly class: FailureClass;
  /** Sending the same again later may succeed. Says nothing about when: `rate` wants a pause, a daily cap the next day. */
  readonly retryable: boolean;
  readonly title: string;
  readonly remedy: string;
  /** A path in this repository, else Twilio's page of the code; null without a code. */
  readonly runbook: string | null;
}

/** Every code we know, by code. */
export const catalogue: ReadonlyMap<number, CataloguedError> = new Map(
  entries.map(([code, failureClass, title, remedy, retryable]) => [
    code,
    {
      code,
      class: failureClass,
      retryable: retryable ?? (failureClass === 'retryable' || failureClass === 'rate'),
      title,
      remedy,
      runbook: runbookOf(code),
    },
  ]),
);

/**
 * What a failure means. A code that is not catalogued is judged by its HTTP status, and without one it is not retried:
 * a second copy of a message is worse than a failure that a person looks at.
 */
export function classify(code: number | null, httpStatus?: number): CataloguedError {
  const known = code === null ? undefined : catalogue.get(code);
  return known ?? { code, ...byStatus(httpStatus), runbook: code === null ? null : runbookOf(code) };
}

/** @returns the failure as contracts tell it; its code is `http_<status>` or `unknown` when Twilio gave none */
export function describeFailure(code: number | null, httpStatus?: number): Failure {
  const { class: failureClass, title, remedy, runbook } = classify(code, httpStatus);
  return {
    code: code ?? (httpStatus === undefined ? 'unknown' : `http_${httpStatus}`),
    class: failureClass,
    title,
    remedy,
    ...(runbook !== null && { runbook }),
  };
}

function runbookOf(code: number): string {
  return codesWithRunbook.has(code)
    ? `docs/runbooks/twilio/${code}.md`
    : `https://www.twilio.com/docs/api/errors/${code}`;
}

function byStatus(status: number | undefined): Omit<CataloguedError, 'code' | 'runbook'> {
  if (status === undefined)
    return {
      class: 'unknown',
      retryable: false,
      title: 'Failed with a code that is not catalogued',
      remedy: "Look the code up in Twilio's error dictionary.",
    };
  if (status === 429)
    return {
      class: 'rate',
      retryable: true,
      title: 'Too many requests',
      remedy: 'Slow down; send again after a pause.',
    };
  if (status >= 500 || status === 408 || status === 425)
    return {
      class: 'retryable',
      retryable: true,
      title: 'Twilio could not process the request',
      remedy: 'Send again with backoff; see status.twilio.com if it lasts.',
    };
  if (status === 401 || status === 403)
    return {
      class: 'configuration',
      retryable: false,
      title: 'Twilio refused the credentials or the permission',
      remedy: "Check the tenant's API key and what it may do.",
    };
  if (status === 404)
    return {
      class: 'configuration',
      retryable: false,
      title: 'Twilio does not know this resource',
      remedy: 'Check the SIDs in the tenant file, and the region.',
    };
  return {
    class: 'unknown',
    retryable: false,
    title: 'Twilio refused the request',
    remedy: "Look the code up in Twilio's error dictionary.",
  };
}
