/** What we asked for has not come in time. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow';
}

/** Rejects when `work` is not done in time; it goes on all the same, and nobody hears of it. */
export function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new TooSlow(`not done within ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
