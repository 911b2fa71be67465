import type { DocumentSource } from './call.ts';
import { end, Interruption, next, PATIENCE_S, type Performance, type Turn } from './performance.ts';
import type { Bridge, Member, Queue } from './queues.ts';
import type { Verb } from './twiml.rules.ts';

/** Of Twilio's own hold music, and the least a document that plays nothing takes. */
const MUSIC_S = 5;

/** Waits in the queue, hearing its `waitUrl` again and again, until somebody takes the call, or it leaves. */
export async function enqueue(
  person: Performance,
  { attributes, text }: Verb,
  address: (path: string | undefined) => string | undefined,
): Promise<Turn> {
  const { call, stage } = person;
  const name = text === '' ? 'default' : text;
  const queue = stage.queues.named(call.accountSid, name) ?? stage.queues.create(call.accountSid, name);
  const action = attributes['action'] === undefined ? undefined : address(attributes['action']);
  const after = (result: string, seconds: number): Turn => {
    const form = { QueueResult: result, QueueSid: queue.sid, QueueTime: String(Math.round(seconds)) };
    return action === undefined ? next : { to: 'document', url: action, form };
  };
  if (queue.members.length >= queue.maxSize) return after('queue-full', 0);

  const since = call.seconds;
  const waited = () => call.seconds - since;
  let dequeued: { redirect: DocumentSource } | { bridge: Bridge } | undefined;
  const member: Member = {
    callSid: call.sid,
    enqueuedAt: Date.now(),
    dequeue(how) {
      dequeued = how;
      stage.queues.leave(queue, member);
      person.release('dequeued');
    },
  };
  queue.members.push(member);
  person.note({ event: `waits in queue ${name}` });
  try {
    const music = attributes['waitUrl'] === undefined ? undefined : address(attributes['waitUrl']);
    const left = await wait(person, queue, member, music, waited);
    if (left) return after('leave', waited());
  } catch (error) {
    if (!(error instanceof Interruption && 'release' in error.how && dequeued)) throw error;
  } finally {
    stage.queues.leave(queue, member);
  }
  if (!dequeued) return end;
  if ('redirect' in dequeued) throw new Interruption(dequeued);
  const { bridge } = dequeued;
  person.note({ event: 'is connected' });
  try {
    if (bridge.greetingUrl !== null) await person.hear(bridge.greetingUrl, { QueueSid: queue.sid });
    await person.stayUntil(bridge.over);
  } finally {
    bridge.end();
  }
  return after('bridged', waited());
}

/** @returns whether the document that is played meanwhile said to leave; false when patience ended */
async function wait(
  person: Performance,
  queue: Queue,
  member: Member,
  music: string | undefined,
  waited: () => number,
): Promise<boolean> {
  if (music === undefined || music === '') {
    await stayWhile(person);
    return false;
  }
  for (;;) {
    const before = person.call.seconds;
    let turn = await person.hear(music, {
      QueuePosition: String(queue.members.indexOf(member) + 1),
      QueueSid: queue.sid,
      QueueTime: String(Math.round(waited())),
      AvgQueueTime: String(Math.round(waited())),
      CurrentQueueSize: String(queue.members.length),
    });
    while (turn?.to === 'document') turn = await person.hear(turn.url, turn.form);
    if (turn?.to === 'leave') return true;
    const step = person.peek();
    if (step && 'hangup' in step) person.hangUp();
    if (step && 'wait' in step) {
      person.nextStep();
      await person.pass(step.wait);
    }
    const short = MUSIC_S - (person.call.seconds - before);
    if (short > 0) await person.pass(short);
    if (waited() > PATIENCE_S) return false;
  }
}

async function stayWhile(person: Performance): Promise<void> {
  const why = await person.stay();
  if (why !== undefined) throw new Interruption({ release: why });
}
