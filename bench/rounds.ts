/** One contender of a comparison: what it measured in each round. */
export interface Series {
  readonly name: string;
  readonly values: number[];
}

export interface Summary {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/**
 * Lets the contenders take turns, round by round and in alternating order, so that what the machine does besides hits all
 * of them. Machines are noisy: trust the ratio within a round, not the figure.
 */
export async function takeTurns(
  rounds: number,
  contenders: Readonly<Record<string, () => Promise<number>>>,
): Promise<Series[]> {
  const series = Object.keys(contenders).map((name): Series => ({ name, values: [] }));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 ? [...series].reverse() : series;
    for (const { name, values } of order) {
      const value = await contenders[name]?.();
      if (value === undefined) throw new Error(`no contender ${name}`);
      values.push(value);
      console.log(`  round ${round + 1}  ${name.padEnd(44)} ${Math.round(value).toLocaleString('en')}`);
    }
  }
  return series;
}

export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0] ?? NaN, median: quantile(sorted, 0.5), max: sorted.at(-1) ?? NaN };
}

/** The ratio of two series, round by round. */
export function ratio(of: Series, to: Series): Summary {
  return summarise(of.values.map((value, round) => value / (to.values[round] ?? NaN)));
}

/** Of sorted values, by linear interpolation. */
export function quantile(sorted: readonly number[], q: number): number {
  const position = (sorted.length - 1) * q;
  const low = sorted[Math.floor(position)] ?? NaN;
  const high = sorted[Math.ceil(position)] ?? NaN;
  return low + (high - low) * (position - Math.floor(position));
}
