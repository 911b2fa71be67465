import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { StagingRoom } from './staging-room.ts';

const hour = 3_600_000;
const bodies: Readable[] = [];
const body = () => {
  const one = new Readable({ read: () => undefined });
  bodies.push(one);
  return one;
};
afterEach(() => {
  for (const one of bodies.splice(0)) one.destroy();
});

function room(places: number, maxWaiting = 8, patienceMs = hour) {
  const staging = new StagingRoom({ places, maxWaiting, patienceMs });
  const admitted: string[] = [];
  const enter = async (source: string, label = source, from = body()) => {
    const leave = await staging.enter(source, from);
    if (leave) admitted.push(label);
    return leave;
  };
  return { enter, admitted };
}
/** Lets everything happen that waits for nothing. */
const settled = () => new Promise(setImmediate);

describe('StagingRoom', () => {
  it('lets in as many as it has places, and the next when one leaves', async () => {
    const { enter, admitted } = room(2);
    const leave = await enter('a');
    await enter('b');
    const waiting = enter('c');
    await settled();
    expect(admitted).toEqual(['a', 'b']);
    leave?.();
    await waiting;
    expect(admitted).toEqual(['a', 'b', 'c']);
  });

  it('gives one source half of the places at most', async () => {
    const { enter, admitted } = room(4);
    for (let i = 0; i < 4; i++) void enter('a');
    await settled();
    expect(admitted).toEqual(['a', 'a']);
    await enter('b');
    expect(admitted).toEqual(['a', 'a', 'b']);
  });

  it('gives a place to the source that has the fewest, and among equals to who came first', async () => {
    const { enter, admitted } = room(2);
    const leaveA = await enter('a');
    const leaveB = await enter('b');
    const [second] = [enter('a', 'a2'), enter('c', 'c1'), enter('c', 'c2')];
    leaveB?.();
    await settled();
    expect(admitted).toEqual(['a', 'b', 'c1']);
    leaveA?.();
    await second;
    expect(admitted).toEqual(['a', 'b', 'c1', 'a2']);
  });

  it('turns away who would be one too many to wait, of all or of one source', async () => {
    const { enter } = room(1, 4);
    const leave = await enter('a');
    const waiting = enter('b');
    expect(await enter('b')).toBeUndefined();
    void enter('c');
    void enter('d');
    void enter('e');
    expect(await enter('f')).toBeUndefined();
    leave?.();
    expect(await waiting).toBeDefined();
  });

  it('lets nobody wait for longer than it says', async () => {
    const { enter } = room(1, 8, 10);
    await enter('a');
    expect(await enter('b')).toBeUndefined();
  });

  it('gives no place to who has left', async () => {
    const { enter, admitted } = room(1);
    const leave = await enter('a');
    const gone = body();
    const waiting = enter('b', 'b', gone);
    const patient = enter('c');
    gone.destroy();
    expect(await waiting).toBeUndefined();
    leave?.();
    await patient;
    expect(admitted).toEqual(['a', 'c']);
  });
});
