import { runService } from '@signalbox/service';
import { verifyService } from './service.ts';

await runService(verifyService);
