import { runService } from '@signalbox/service';
import { webhookIngest } from './service.ts';

await runService(webhookIngest(process.env));
