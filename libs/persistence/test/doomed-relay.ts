/**
 * A process that relays an outbox and is killed right after the given moment of its second batch.
 * Arguments: database URL, brokers, name of the relay, moment.
 */
import { Kafka, logLevel } from 'kafkajs';
import { createDataSource, OutboxRelay } from '../src/index.ts';
import { after, type Moment } from './failpoint.ts';

const [url = '', brokers = '', name = '', moment = 'commit'] = process.argv.slice(2);
const dataSource = await createDataSource({ url, applicationName: name }).initialize();
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });
let batches = 0;
const doomed = after(moment as Moment, kafka, () => {
  if (++batches === 2) process.kill(process.pid, 'SIGKILL');
});
new OutboxRelay({ dataSource, kafka: doomed, name, batchSize: 50 }).start();
