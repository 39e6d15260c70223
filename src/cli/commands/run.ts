import type { Run } from '../main.ts';
export const run: Run = () => Promise.resolve(0);
