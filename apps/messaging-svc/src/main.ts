import { runService } from '@signalbox/service';
import { messagingService } from './service.ts';

await runService(messagingService);
