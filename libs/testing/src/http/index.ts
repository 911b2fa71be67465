export { testApi, type Answer, type TestApi, type TestApiOptions, type TestToken } from './test-api.ts';
