import { runService } from '@signalbox/service';
import { emailService } from './service.ts';

await runService(emailService);
