import { runService } from '@signalbox/service';
import { simulator } from './simulator.ts';

await runService(simulator);
