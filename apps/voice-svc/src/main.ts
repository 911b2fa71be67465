import { runService } from '@signalbox/service';
import { voiceService } from './service.ts';

await runService(voiceService);
