// A redirect of the model -> RedirectAction: scheme and port are known before any request (routing/filters/redirect.ts is the meaning).
import type { Redirect } from '../../../routing/filters.ts';
import { redirectPorts } from '../../../routing/filters/redirect.ts';
import type { Message } from '../tree.ts';
import type { ListenerFacts } from './facts.ts';
import { pathSubstitution } from './path-rewrite.ts';

const wellKnown: Readonly<Record<'http' | 'https', number>> = { http: 80, https: 443 };

const codes: Readonly<Record<Redirect['status'], string>> = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
};

export function redirectAction(redirect: Redirect, facts: ListenerFacts): Message {
  const scheme = redirect.scheme ?? facts.scheme;
  const { local } = redirectPorts(redirect, { listenerPort: facts.port, publicPorts: facts.publicPorts });
  const path = redirect.path === undefined ? undefined : pathSubstitution([redirect.path]);
  return {
    scheme_redirect: scheme,
    ...(redirect.hostname === undefined ? {} : { host_redirect: redirect.hostname }),
    ...(local === wellKnown[scheme] ? {} : { port_redirect: local }),
    ...(path === undefined ? {} : { regex_rewrite: path }),
    response_code: codes[redirect.status],
  };
}
