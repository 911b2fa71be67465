import type { FactoryProvider } from '@nestjs/common';
import { BlobStore } from '@signalbox/blob-store';
import { CONFIG, type EmailConfig } from '../config.ts';

/** To inject the store of attachments that webhook-ingest writes; null where this service has no access to it. */
export const BLOBS = Symbol('blob store');

export const blobs: FactoryProvider<Promise<BlobStore | null>> = {
  provide: BLOBS,
  inject: [CONFIG],
  useFactory: async ({ BLOB_DIR }: EmailConfig) => (BLOB_DIR === undefined ? null : BlobStore.open(BLOB_DIR)),
};
