// The version of the package that this file belongs to.
import { readFileSync } from 'node:fs';

export function version(): string {
  // The same place from src/cli in a checkout and from dist/cli when published.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
