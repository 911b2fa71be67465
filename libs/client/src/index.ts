export { createClient, type Client, type ClientOptions, type EventHandler, type Subscription } from './client.ts';
