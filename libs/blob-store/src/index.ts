export { BlobNotFound, BlobStore, type BlobStoreOptions, BlobTooLarge, type StagedBlob } from './blob-store.ts';
