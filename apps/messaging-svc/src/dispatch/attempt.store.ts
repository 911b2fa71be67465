import { AttemptStore } from '@signalbox/outbound';
import { messageTable } from '../message/message.store.ts';

export const attempts = new AttemptStore('message_id', messageTable);
