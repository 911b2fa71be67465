/** The second step of the demo: callbacks of every other kind, from the simulator through the edge into their topics. */
import { topics } from '@signalbox/contracts';
import kafkajs from 'kafkajs';

/** What the simulator can post, and the topics that makes records in. */
const kinds = {
  'voice.status': [topics.twilioCallCallbacks],
  'voice.recording': [topics.twilioCallCallbacks],
  'voice.transcription': [topics.twilioCallCallbacks],
  'verify.event': [topics.twilioVerifyCallbacks],
  'studio.event': [topics.twilioStudioCallbacks],
  debugger: [topics.twilioDebuggerCallbacks],
  'event-streams': [topics.twilioMessageCallbacks, topics.twilioVerifyCallbacks, topics.twilioDebuggerCallbacks],
  'sendgrid.events': [topics.sendgridEventCallbacks],
  'sendgrid.inbound': [topics.sendgridInboundCallbacks],
};

interface CallbackData {
  readonly resourceSid: string;
  readonly status: string;
}

/** What the simulator says of a callback it has posted. */
interface Posted {
  readonly status: number;
  readonly body: string;
  readonly resourceSids: readonly string[];
}

/**
 * Listens from now on; `show` then posts one callback of each kind and prints what became of it.
 * @param patience milliseconds
 */
export async function watchCallbacks(options: {
  readonly brokers: string[];
  readonly simulator: string;
  readonly groupId: string;
  readonly patience: number;
}) {
  const { brokers, simulator, groupId, patience } = options;
  const kafka = new kafkajs.Kafka({ brokers, clientId: 'demo', logLevel: kafkajs.logLevel.NOTHING });
  const names = [...new Set(Object.values(kinds).flatMap((all) => all.map(({ name }) => name)))];
  const admin = kafka.admin();
  await admin.connect();
  // Committed ends of the topics: "latest" would be wherever the first fetch finds it.
  for (const topic of names) await admin.resetOffsets({ groupId, topic, earliest: false });
  await admin.disconnect();
  const consumer = kafka.consumer({ groupId });
  const arrived = new Map<string, { topic: string; status: string }[]>();
  let onArrival = () => {};
  await consumer.connect();
  await consumer.subscribe({ topics: names });
  await consumer.run({
    eachMessage: async ({ topic, message }) => {
      const { resourceSid, status } = JSON.parse(String(message.value)) as CallbackData;
      arrived.set(resourceSid, [...(arrived.get(resourceSid) ?? []), { topic, status }]);
      onArrival();
    },
  });

  /** The records of a callback, once all are there or the patience is at its end. */
  async function recordsOf({ resourceSids }: Posted, deadline: number) {
    const sids = [...new Set(resourceSids)];
    const records = () => sids.flatMap((sid) => arrived.get(sid) ?? []);
    while (records().length < resourceSids.length && Date.now() < deadline) {
      const { promise, resolve } = Promise.withResolvers<void>();
      onArrival = resolve;
      const timer = setTimeout(resolve, deadline - Date.now());
      await promise;
      clearTimeout(timer);
    }
    return records();
  }

  return {
    /** @returns what went wrong */
    async show(): Promise<string[]> {
      console.log(`demo: ${Object.keys(kinds).length} callbacks of other kinds, signed by the simulator`);
      const faults: string[] = [];
      const posted = new Map<string, Posted>();
      for (const kind of Object.keys(kinds)) posted.set(kind, await post(simulator, kind));
      const deadline = Date.now() + patience;
      for (const [kind, expected] of Object.entries(kinds)) {
        const answer = posted.get(kind) as Posted;
        const isTaken = answer.status >= 200 && answer.status < 300;
        const records = isTaken ? await recordsOf(answer, deadline) : [];
        const where = [...new Set(records.map(({ topic }) => topic))].sort();
        const what = records.map(({ status }) => status).join(', ');
        console.log(`  ${kind.padEnd(21)}${answer.status}  ${where.join(', ')}: ${what}`);
        const wanted = expected.map(({ name }) => name).sort();
        if (!isTaken) faults.push(`"${kind}" was answered ${answer.status} ${answer.body}`);
        else if (records.length !== answer.resourceSids.length || where.join() !== wanted.join())
          faults.push(
            `"${kind}" made ${records.length} records of ${answer.resourceSids.length} in ${where.join(', ')}`,
          );
      }
      return faults;
    },
    close: () => consumer.disconnect(),
  };
}

async function post(simulator: string, kind: string): Promise<Posted> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${simulator}/_sim/callbacks`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ kind }),
  });
  if (!response.ok) throw new Error(`the simulator posts no ${kind}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Posted;
}
