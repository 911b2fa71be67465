export {
  BlobNotFound,
  BlobStore,
  type BlobStoreOptions,
  BlobTooLarge,
  type Removal,
  type StagedBlob,
} from './blob-store.ts';
