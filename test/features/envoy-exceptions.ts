// Tests of engines that do not hold on an Envoy, by file and name, and why: each reason is a line of docs/reference/envoy-differences.md.
// A name with `*` at its end stands for all that begin so.
const differs = {
  answers: 'answers of Envoy’s own have its own words and statuses',
  bodies: 'a response before the request is complete ends the connection',
  budgets: 'budgets count what is under way',
  checked: 'what Envoy makes of answers of services',
  cors: 'what a service says of CORS counts',
  drains: 'listeners that go are drained in Envoy’s way; ports of datagrams are free after it',
  endings: 'Envoy keeps connections that another end would be told of',
  expects: 'a body that a service is given has to be sent without being asked for',
  flows: 'flows of datagrams move with their endpoints',
  headers: 'what Connection names in a response passes, and so do trailers',
  limits: 'Envoy does not have this limit',
  log: 'the access log has Envoy’s words',
  metrics: 'metrics are Envoy’s own',
  mirrors: 'mirrored requests name Envoy, too',
  parser: 'Envoy’s parsers read some of what ours refuse',
  proxied: 'datagrams have no PROXY header',
  repeats: 'requests that can be repeated are, on any connection that breaks',
  sessions: 'the token is Envoy’s own',
  streams: 'streams of HTTP/2 are given up, refused and tried again in Envoy’s way',
  tunnels: 'websocket, SPDY/3.1 and tcp are tunnelled; a refused upgrade ends the connection',
  workers: 'Envoy has no workers of ours',
} as const;

export const exceptions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'engine-auth-grpc.test.ts': {
    'a Check tells everything about a request': differs.checked,
    'with a list it tells those headers alone; of the body up to the limit, text as text': differs.checked,
    'a yes changes headers and query of the request, and the headers of the response': differs.checked,
    'a no has the status, headers and body that the service says; without any it is 403': differs.checked,
    'a service that says yes and no lets nothing pass: 502': differs.checked,
  },
  'engine-auth.test.ts': {
    'a connection goes on behind an answer to a body that is too long': differs.bodies,
    'who may read a no is not for the service to say where the rule says it': differs.cors,
    'the service is told method, host, path and Authorization, and of the rest what is listed': differs.checked,
    'what the service gives replaces what the client sent; what is listed and not given is dropped': differs.checked,
    "500 is the client's, and no backend hears of the request": differs.checked,
    'bodies that wait for services have a limit together, and leave nothing behind': differs.limits,
    'what a client still sends while it is told no never reaches the service': differs.bodies,
    'a no that breaks off in the middle breaks off for the client': differs.checked,
    'a client that waits to be told to send its body is told so by us, or by the backend': differs.expects,
    'a client that goes away takes its question along': differs.metrics,
    'the time that a service takes is part of the request’s': differs.checked,
  },
  'engine-budget.test.ts': {
    'a backend that fails gets a bounded number of attempts, and clients 503 beyond it': differs.budgets,
    'the minimum is allowed when there is little traffic': differs.budgets,
    'timeouts and connections that cannot be made are held to it, too; failovers of rules that say nothing as well':
      differs.budgets,
    'a row that changes something else does not forget what was counted, one that changes the budget does':
      differs.budgets,
  },
  'engine-changes.test.ts': {
    'a listener moves, disappears and comes back; its clients are drained, others are not touched': differs.drains,
    'a worker that dies is replaced by one with all of the configuration': differs.workers,
  },
  'engine-failures.test.ts': {
    'a client that takes nothing is let go': differs.limits,
    'idle connections to backends are given up, earlier when the backend says so': differs.endings,
    'what must not be repeated takes no old connection, and leaves none behind': differs.repeats,
    'requests beyond what may be under way get 503 at once, and however requests end, they make room': differs.limits,
  },
  'engine-http1.test.ts': {
    'a response is the same wherever the backend splits it': differs.headers,
    'an early answer is forwarded, and the rest of a small body is dropped': differs.bodies,
    'hop-by-hop fields and those that Connection names do not pass, in either direction': differs.headers,
    'a body over the limit is answered 413': differs.limits,
    'a client that closed its side still gets its answers': differs.endings,
    'a response that breaks the rules is 502': differs.parser,
    'slow heads, slow bodies and idle connections end in time': differs.limits,
  },
  'engine-l4-tcp.test.ts': {
    'counters by listener and route, and a line of the log': differs.log,
  },
  'engine-l4-tls.test.ts': {
    'is what the client sent, octet for octet, however it was cut, and nothing of ours': differs.endings,
    'ends the connection, and is counted': differs.parser,
    'asks clients for certificates where the listener wants them': differs.endings,
  },
  'engine-l4-udp.test.ts': {
    'ends in silence, and not while anything is said, by either side': differs.log,
    'to a port where nobody listens ends, and the next datagram tries another endpoint': differs.flows,
    'leave them with their endpoint while it is there; new ones take what is new': differs.flows,
    'keep the flows of an endpoint that is on its way out': differs.flows,
    'close the flows of a listener that goes, and its port': differs.drains,
    'moves to one of them, and back': differs.drains,
    'is read off the first of a flow, and off any other that has it; what has none at first is dropped and counted':
      differs.proxied,
    'is written before the first of a flow': differs.proxied,
  },
  'engine-observed.test.ts': {
    'one line of JSON per request, whatever the client sent': differs.log,
    'behind trusted proxies the log names the client that they saw': differs.log,
    'metrics: requests by route and class, durations, refusals, failures': differs.metrics,
  },
  'engine-pool.test.ts': {
    'a pool full of connections that are too old for a POST keeps the new one': differs.repeats,
  },
  'engine-proxy-backends.test.ts': { 'leaves large bodies as they are': differs.bodies },
  'engine-random.test.ts': { 'requests in any framing, pipelined and cut anywhere': differs.parser },
  'engine-rules.test.ts': {
    'mirrors get the changed request with its body, and nobody waits for them': differs.mirrors,
  },
  'engine-sessions.test.ts': {
    'a client with its cookie stays with backend and endpoint; others are spread over all of them': differs.sessions,
    'the token in a header works the same': differs.sessions,
    'where backends are drawn anew for each request, weights hold and each backend keeps its endpoint':
      differs.sessions,
    'what the cookie says of itself': differs.sessions,
    'a backend without sessions gives no token, one with them keeps its own cookies': differs.sessions,
    'tokens that are forged, foreign, changed, too old or of another name lead nowhere': differs.sessions,
    'engines with the same keys know each other’s tokens, also under the key before': differs.sessions,
    'keys are renewed while it serves, in every worker': differs.sessions,
    'an endpoint on its way out keeps its sessions and gets no new ones; when it is gone the client gets another':
      differs.sessions,
    'an endpoint that cannot be reached is left by a failover, which gives a new token': differs.sessions,
    'over HTTP/2, with chunks, HEAD, and the 101 of a WebSocket': differs.sessions,
  },
  'engine-tls-backends.test.ts': {
    'h2 of a backend that does not know ALPN': differs.parser,
    'is not tried elsewhere, unless the rule says that failures to connect are': differs.repeats,
  },
  'engine-tls-pools.test.ts': {
    'clusters with the same settings do, with others do not': differs.endings,
    'is missed by a backend of HTTP/2 *': differs.repeats,
  },
  'engine-upgrade.test.ts': {
    'a refused handshake is an ordinary response': differs.tunnels,
    'any protocol may be spoken after an upgrade; octets sent at once are not lost; each side closes for itself':
      differs.tunnels,
  },
  'experimental-http.test.ts': {
    'sessionPersistence of a rule, in a cookie with a name and in a header': differs.sessions,
    'a retry budget of an XBackendTrafficPolicy': differs.budgets,
  },
  'streams.test.ts': {
    'PROXY protocol: believed where the Gateway says so, and sent where the Service says so': differs.endings,
  },
  'grpc-calls.test.ts': {
    'DEADLINE_EXCEEDED in trailers when the response had begun': differs.answers,
    'UNAVAILABLE in trailers when the backend breaks off': differs.answers,
  },
  'http2-backends.test.ts': {
    'that allows few streams gets more connections instead of a queue': differs.streams,
    'that resets a stream otherwise does not: 502': differs.repeats,
    'sees a reset, and no end of the body, when the client breaks off its upload': differs.streams,
    'that is silent is 504, and its connection is not trusted any more': differs.endings,
    'that breaks the rules of a response is 502': differs.parser,
    'tells clients of HTTP/2 which requests are still served, and ends with these': differs.drains,
  },
  'http2-cleartext.test.ts': {
    'passes trailers of a request on': differs.headers,
    'finds the preface of HTTP/2 however it is cut': differs.parser,
  },
  'http2-limits.test.ts': {
    'unless it is a field with illegal octets: nghttp2 drops the field': differs.parser,
    'unless its body is longer than it said: that ends the connection': differs.parser,
    'a Host that differs: 400': differs.parser,
    'a target that is too long: 414; a body that is: 413': differs.limits,
    'of header fields, in number or octets, resets the stream': differs.limits,
    'of octets of header fields is 431 when our limit was not acknowledged': differs.limits,
    'of time to acknowledge our limits ends the connection': differs.limits,
    'of resets ends the connection (CVE-2023-44487), before the backend has seen many': differs.limits,
    'in its body gets 408, and the backend no complete request': differs.limits,
    'in taking the response is cut off': differs.limits,
    'may go on sending for a while, and other streams do not suffer': differs.bodies,
  },
  'tls-http1.test.ts': { 'answers a client that closes its side after the request': differs.endings },
  'http2-fuzz.test.ts': { 'leave no connection behind': differs.metrics },
};
