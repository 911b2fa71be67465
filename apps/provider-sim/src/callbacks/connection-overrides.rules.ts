export type Failure = '4xx' | '5xx' | 'ct' | 'rt';

/** How a callback is delivered: times in milliseconds. */
export interface ConnectionOverrides {
  connectTimeout: number;
  readTimeout: number;
  totalTimeout: number;
  retryCount: number;
  retryOn: ReadonlySet<Failure>;
}

const everyFailure: readonly Failure[] = ['4xx', '5xx', 'ct', 'rt'];
const isFailure = (name: string): name is Failure => everyFailure.some((failure) => failure === name);

/**
 * Splits a callback URL into the one that is called and signed, and the connection overrides of its fragment
 * (`#rc=5&rp=5xx,ct,rt&ct=2000`). Twilio's default: one retry, and only when no connection came about. A value outside
 * Twilio's limits is as if it were not there.
 */
export function readOverrides(callbackUrl: string): { url: string; overrides: ConnectionOverrides } {
  const hash = callbackUrl.indexOf('#');
  const url = hash < 0 ? callbackUrl : callbackUrl.slice(0, hash);
  const given = new URLSearchParams(hash < 0 ? '' : callbackUrl.slice(hash + 1));
  const number = (name: string, least: number, most: number, otherwise: number) => {
    const value = given.get(name);
    return value !== null && /^\d+$/.test(value) && +value >= least && +value <= most ? +value : otherwise;
  };
  return {
    url,
    overrides: {
      connectTimeout: number('ct', 100, 10_000, 5_000),
      readTimeout: number('rt', 100, 15_000, 15_000),
      totalTimeout: number('tt', 100, 15_000, 15_000),
      retryCount: number('rc', 0, 5, 1),
      retryOn: retryPolicy(given.get('rp')),
    },
  };
}

function retryPolicy(value: string | null): ReadonlySet<Failure> {
  const names = (value ?? '').split(',').map((name) => name.trim());
  const chosen = names.includes('all') ? everyFailure : names.filter(isFailure);
  return new Set(chosen.length > 0 ? chosen : (['ct'] as const));
}
