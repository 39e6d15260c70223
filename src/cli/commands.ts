// The table of commands: what each is for, its flags and examples. Help, the reference in docs/ and the parsing of
// arguments all come from it; what a command does is in commands/.
import type { Command, Flag, FlagGroup } from './command.ts';
import { configCommand } from './config-command.ts';
import { controllerCommand } from './controller-command.ts';
import { proxyCommand } from './proxy-command.ts';
import { limitNames } from './run/limits.ts';

const filename: Flag = {
  name: 'filename',
  short: 'f',
  value: 'PATH',
  repeatable: true,
  help: 'A file or folder of YAML or JSON, or - for standard input. Repeatable; of two files with one object the first wins.',
};
const recursive: Flag = {
  name: 'recursive',
  short: 'R',
  help: 'Read folders inside folders too, but none that is hidden or called node_modules.',
};
const attach: Flag = {
  name: 'attach',
  value: '[NS/]GATEWAY',
  help: 'Attach routes that have no parentRefs to this Gateway. Without it they are reported.',
};
const gatewayClass: Flag = {
  name: 'gateway-class',
  value: 'NAME',
  help: 'Only Gateways of this class. Without it every Gateway is served, whatever its class.',
};
const channel: Flag = {
  name: 'channel',
  value: 'CHANNEL',
  choices: ['standard', 'experimental'],
  default: 'standard',
  help: 'The release channel of Gateway API whose fields are valid: standard or experimental.',
};
const backend: Flag = {
  name: 'backend',
  value: '[NS/]SERVICE[:PORT]=HOST:PORT',
  repeatable: true,
  help: 'A Service stands for a process at HOST:PORT. Without :PORT it has every port that a route names. Repeatable.',
};
const devCertificates: Flag = {
  name: 'dev-certificates',
  help: 'Certificates that are missing are issued, by run from a local authority that is made once; CA bundles that are missing are that authority.',
};
const portOffset: Flag = {
  name: 'port-offset',
  value: 'N',
  default: '8000',
  help: 'Added to listener ports below 1024: 80 is served at 8080, 443 at 8443. 0 for the real ones.',
};

const files: FlagGroup = { title: 'Files', flags: [filename, recursive] };
const reading: FlagGroup = {
  title: 'How the objects are read',
  flags: [attach, gatewayClass, channel, backend, devCertificates],
};

function output(...choices: readonly string[]): Flag {
  return {
    name: 'output',
    short: 'o',
    value: 'FORMAT',
    choices,
    default: choices[0] as string,
    help: `One of ${choices.join(', ')}.`,
  };
}

/** Which engine is to serve, of commands that serve nothing. */
const judgedBy: Flag = {
  name: 'engine',
  value: 'ENGINE',
  choices: ['embedded', 'envoy'],
  default: 'embedded',
  help: 'By what this engine can serve.',
};

/** Which engine serves. */
const engineFlags: readonly Flag[] = [
  {
    name: 'engine',
    value: 'ENGINE',
    choices: ['embedded', 'envoy'],
    default: 'embedded',
    help: 'What serves: the engine that comes with Portolan, or an Envoy on this machine.',
  },
  {
    name: 'envoy',
    value: 'PATH',
    help: 'The Envoy to run; default: the one on PATH. It has to be 1.40 or later.',
  },
];

const admin: Flag = {
  name: 'admin',
  value: 'HOST:PORT',
  help: 'Serve /healthz, /readyz, /metrics and /config there.',
};
const dataPlane: readonly Flag[] = [
  { name: 'workers', value: 'N', default: '1', help: 'Threads that serve.' },
  { name: 'access-log', help: 'Write one line of JSON per request to standard output.' },
  {
    name: 'trusted-hops',
    value: 'N',
    default: '0',
    help: 'Proxies in front of this one whose X-Forwarded-For entries are believed.',
  },
  {
    name: 'limit',
    value: 'NAME=N',
    repeatable: true,
    help: 'One of the limits below. Repeatable.',
  },
  {
    name: 'drain',
    value: 'SECONDS',
    default: '10',
    help: 'How long requests in flight may take to finish when it is told to stop.',
  },
];

const misuse = [2, 'The command line is wrong.'] as const;

const run: Command = {
  name: 'run',
  summary: 'Serve the Gateways in files, and follow every change of the files.',
  usage: 'run -f PATH… [flags]',
  description: [
    'Reads Gateways, routes and what they need from files, serves them on this machine, and prints where: the listeners with their local URLs, which routes are attached, every problem with file, line and fix, and requests to try. A saved file is live a few milliseconds later and drops no request. A file that does not parse leaves its last good objects in force.',
    'What a cluster would have and the files do not show is presumed and listed: Namespaces, GatewayClasses, and the Services that --backend names.',
  ],
  operands: { min: 0, max: Number.POSITIVE_INFINITY, what: 'a path' },
  flags: [
    files,
    reading,
    {
      title: 'Where it listens',
      flags: [
        {
          name: 'bind',
          value: 'ADDRESS',
          default: '127.0.0.1',
          help: 'The local address to listen on; 0.0.0.0 or :: for all.',
        },
        portOffset,
        {
          name: 'port',
          value: '[NS/]GATEWAY/LISTENER=PORT',
          repeatable: true,
          help: 'The local port of one listener, of a Gateway or a ListenerSet. Without it a taken port moves to the next free one. Repeatable.',
        },
        admin,
      ],
    },
    {
      title: 'Backends',
      flags: [
        {
          name: 'echo',
          help: 'Answer for every backend that has no endpoints, naming it; octets of a stream and datagrams come back as they are. TLS is answered with a certificate for the name that is asked for.',
        },
      ],
    },
    {
      title: 'The data plane',
      flags: [...engineFlags, ...dataPlane],
    },
  ],
  examples: [
    {
      what: 'Serve a folder, with answers for backends that do not run here',
      command: 'portolan run -f manifests --echo',
    },
    {
      what: 'Send the Service "shop" to a process on this machine',
      command: 'portolan run -f manifests --backend shop=localhost:3000',
    },
    {
      what: 'What kustomize or Helm would apply, over HTTPS with certificates made here',
      command: 'kubectl kustomize overlays/dev | portolan run -f - --dev-certificates --echo',
    },
    {
      what: 'The real ports, on all addresses',
      command: 'sudo portolan run -f manifests --port-offset 0 --bind 0.0.0.0',
    },
  ],
  tables: [
    {
      title: 'Limits',
      rows: limitNames().map((limit) => [limit.name, limit.default.toLocaleString('en'), limit.meaning]),
    },
  ],
  exitCodes: [
    [0, 'It was told to stop (SIGINT, SIGTERM), and requests in flight were finished.'],
    [1, 'It could not start.'],
    misuse,
  ],
};

const explain: Command = {
  name: 'explain',
  summary: 'Say which rule takes a request or a connection, and why.',
  usage: 'explain [METHOD] URL [-H "Name: value"]… -f PATH… [flags]',
  description: [
    'Finds the bind, listener, virtual host, route, rule and match that take a request, with the runners-up and the step at which each lost; when nothing matches, what came closest. Then the filters, the request that is sent on, and the backends with their shares. It asks the same matcher that serves; nothing is sent.',
    'The port of the URL is a declared port of a listener, or the local one that stands for it (80 or 8080). grpc://HOST/SERVICE/METHOD asks about a gRPC call, tls://HOST:PORT, tcp://HOST:PORT and udp://HOST:PORT about a connection or a datagram.',
  ],
  operands: { min: 1, max: Number.POSITIVE_INFINITY, what: 'a URL' },
  flags: [
    {
      title: 'The request',
      flags: [
        {
          name: 'header',
          short: 'H',
          value: '"NAME: VALUE"',
          repeatable: true,
          help: 'A header of the request. Repeatable.',
        },
        { name: 'gateway', value: '[NS/]NAME', help: 'The Gateway that is asked, when several listen on the port.' },
        { name: 'sni', value: 'NAME', help: 'The server name of the TLS handshake; else the host of the URL.' },
        output('text', 'json'),
      ],
    },
    files,
    reading,
    { title: 'Ports', flags: [portOffset] },
  ],
  examples: [
    { what: 'Who answers this?', command: 'portolan explain GET http://shop.example.com/cart -f manifests' },
    {
      what: 'With a header that routes match',
      command: 'portolan explain GET http://shop.example.com/cart -H "x-canary: yes" -f manifests',
    },
    { what: 'Where does a TLS connection go?', command: 'portolan explain tls://db.example.com:443 -f manifests' },
    {
      what: 'A gRPC call, for a program',
      command: 'portolan explain POST grpc://api.example.com/shop.Cart/Add -f manifests -o json',
    },
  ],
  exitCodes: [[0, 'A rule takes the request or the connection.'], [1, 'No rule takes it.'], misuse],
};

const lint: Command = {
  name: 'lint',
  summary: 'Check manifests: fields, rules, references, grants, and matches that never win.',
  usage: 'lint -f PATH… [flags]',
  description: [
    'Checks what an API server would check (schemas and CEL rules of the official CRDs), and what only shows in the whole: references that lead nowhere, grants that are missing (with the one that would do), routes that attach nowhere, matches that others shadow, ties that only age decides, and vintages that have a current form.',
  ],
  operands: { min: 0, max: Number.POSITIVE_INFINITY, what: 'a path' },
  flags: [files, reading, { title: 'Output', flags: [judgedBy, output('text', 'json', 'sarif', 'github')] }],
  examples: [
    { what: 'A folder', command: 'portolan lint -f manifests' },
    { what: 'In a workflow on GitHub, as annotations', command: 'portolan lint -f manifests -o github' },
    { what: 'What a chart makes', command: 'helm template chart | portolan lint -f -' },
  ],
  exitCodes: [[0, 'No errors; there may be warnings.'], [1, 'There are errors.'], misuse],
};

const upgrade: Command = {
  name: 'upgrade',
  summary: 'Print the same objects in the current API version.',
  usage: 'upgrade -f PATH… [flags]',
  description: [
    'Turns older vintages of Gateway API (networking.x-k8s.io/v1alpha1, v1alpha2, v1beta1, ReferencePolicy) and Ingress into the current API. The objects go to standard output as YAML or JSON, and what was changed or cannot be carried over to standard error, with file and line.',
  ],
  operands: { min: 0, max: Number.POSITIVE_INFINITY, what: 'a path' },
  flags: [files, { title: 'Output', flags: [channel, output('yaml', 'json')] }],
  examples: [
    { what: 'See the current form', command: 'portolan upgrade -f ingress.yaml' },
    { what: 'Write it to a file', command: 'portolan upgrade -f old -R > current.yaml' },
  ],
  exitCodes: [
    [0, 'Everything was carried over.'],
    [1, 'Something could not be read or carried over; the rest was printed.'],
    misuse,
  ],
};

const status: Command = {
  name: 'status',
  summary: 'Show the statuses that a cluster would show.',
  usage: 'status -f PATH… [flags]',
  description: [
    'Computes the status of every GatewayClass, Gateway and route, as tables like those of kubectl get, or as the objects with their status.',
  ],
  operands: { min: 0, max: Number.POSITIVE_INFINITY, what: 'a path' },
  flags: [files, reading, { title: 'Output', flags: [judgedBy, output('table', 'wide', 'yaml', 'json')] }],
  examples: [
    { what: 'Tables', command: 'portolan status -f manifests' },
    { what: 'With the reason and message of every condition', command: 'portolan status -f manifests -o wide' },
    { what: 'The objects with their status', command: 'portolan status -f manifests -o yaml' },
  ],
  exitCodes: [[0, 'The statuses are printed, whatever they say.'], [1, 'Nothing could be read.'], misuse],
};

export const commands: readonly Command[] = [
  run,
  explain,
  lint,
  upgrade,
  status,
  configCommand({ objects: [files, reading], portOffset, output: output('json', 'yaml') }, misuse),
  controllerCommand([...engineFlags, ...dataPlane, admin], misuse),
  proxyCommand([...engineFlags, ...dataPlane, admin], misuse),
];
