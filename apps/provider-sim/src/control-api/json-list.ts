import { setImmediate as breathe } from 'node:timers/promises';

const CHUNK = 2_000;

/** A JSON list in pieces: a hundred thousand items must not hold up the creates meanwhile. */
export async function* jsonList<Item>(items: Iterable<Item>, limit: number, shape: (item: Item) => object) {
  let text = '[';
  let count = 0;
  for (const item of items) {
    if (count === limit) break;
    text += (count === 0 ? '\n' : ',\n') + JSON.stringify(shape(item));
    count++;
    if (count % CHUNK === 0) {
      yield text;
      text = '';
      await breathe();
    }
  }
  yield `${text}\n]\n`;
}
