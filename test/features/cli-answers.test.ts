// status, explain, lint and upgrade through the front door: files in, text and data out, exit codes.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { folderWith, gateway, portolan, root, route } from './cli-process.ts';

const service = 'apiVersion: v1\nkind: Service\nmetadata:\n  name: cart\nspec:\n  ports:\n  - port: 80\n';
const ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
spec:
  ingressClassName: nginx
  rules:
  - host: shop.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: nobody
            port:
              number: 80
`;
const streams = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: in }
spec:
  gatewayClassName: any
  allowedListeners: { namespaces: { from: Same } }
  listeners:
  - { name: tcp, protocol: TCP, port: 5432 }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: more }
spec:
  parentRef: { name: in }
  listeners:
  - { name: tls, protocol: TLS, port: 443, hostname: '*.example.com', tls: { mode: Passthrough } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: db }
spec:
  parentRefs: [{ name: in }]
  rules: [{ backendRefs: [{ name: db, port: 5432 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: app }
spec:
  parentRefs: [{ kind: ListenerSet, name: more }]
  hostnames: [a.example.com]
  rules: [{ backendRefs: [{ name: db, port: 5432 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: db }
spec:
  targetRefs: [{ group: '', kind: Service, name: db }]
  validation: { hostname: db, caCertificateRefs: [{ group: '', kind: ConfigMap, name: missing }] }
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { ports: [{ port: 5432 }] }
`;
const broken = route('broken', 'no-slash', 'cart');
const shop = {
  'a/gateway.yaml': gateway(80),
  'a/routes.yaml': `${route('shop', '/cart', 'cart')}---\n${route('lost', '/lost', 'nobody')}`,
  'a/service.yaml': service,
};

test('status prints tables like kubectl', async (t) => {
  const cwd = folderWith(t, shop);
  const { code, out, err } = await portolan(['status', '-f', 'a'], { cwd });
  assert.deepEqual([code, err], [0, '']);
  assert.equal(
    out,
    `GATEWAY       CLASS   ADDRESS   ACCEPTED   PROGRAMMED
default/web   any               True       True

LISTENER           PROTOCOL   PORT   HOSTNAME   ROUTES   ACCEPTED   PROGRAMMED   RESOLVEDREFS
default/web/http   HTTP       80     *          2        True       True         True

ROUTE                    HOSTNAMES   PARENT        ACCEPTED   RESOLVEDREFS
httproute/default/lost   *           default/web   True       False (BackendNotFound)
httproute/default/shop   *           default/web   True       True
`,
  );
  const wide = await portolan(['status', '-f', 'a', '-o', 'wide'], { cwd });
  assert.match(wide.out, / {4}ResolvedRefs=False {2}BackendNotFound: .*Service default\/nobody does not exist/);
});

test('status prints ListenerSets, streams and policies', async (t) => {
  const cwd = folderWith(t, { 'streams.yaml': streams });
  const { out } = await portolan(['status', '-f', '.'], { cwd });
  assert.equal(
    out,
    `GATEWAY      CLASS   ADDRESS   ACCEPTED   PROGRAMMED
default/in   any               True       True

LISTENERSET    GATEWAY      ACCEPTED   PROGRAMMED
default/more   default/in   True       True

LISTENER           PROTOCOL   PORT   HOSTNAME        ROUTES   ACCEPTED   PROGRAMMED   RESOLVEDREFS
default/in/tcp     TCP        5432                   1        True       True         True
default/more/tls   TLS        443    *.example.com   1        True       True         True

ROUTE                  HOSTNAMES       PARENT                     ACCEPTED   RESOLVEDREFS
tcproute/default/db                    default/in                 True       True
tlsroute/default/app   a.example.com   listenerset/default/more   True       True

POLICY                        TARGETS      GATEWAY      ACCEPTED                       RESOLVEDREFS
backendtlspolicy/default/db   service/db   default/in   False (NoValidCACertificate)   False (InvalidCACertificateRef)
`,
  );
});

test('status has a row for an Ingress, and none of what was made of it; another route of its name is not it', async (t) => {
  const native = route('shop', '/native', 'cart').replace('- name: web', '- name: ingress-nginx');
  const cwd = folderWith(t, {
    'i.yaml': ingress,
    'r.yaml': native.replace('  rules:', '  hostnames: [own.test]\n  rules:'),
  });
  const { out } = await portolan(['status', '-f', '.'], { cwd });
  assert.match(
    out,
    /^INGRESS +CLASS +HOSTS +ADDRESS +PORTS +ACCEPTED +RESOLVEDREFS\ndefault\/shop +nginx +shop\.test +80 +True +False \(BackendNotFound\)\n\n/m,
  );
  assert.match(out, /^ROUTE .*\nhttproute\/default\/shop +own\.test +default\/ingress-nginx .*\n$/m);
  const json = await portolan(['status', '-f', '.', '-o', 'json'], { cwd });
  const { items } = JSON.parse(json.out) as {
    items: { kind: string; spec: { hostnames?: string[] }; status: object }[];
  };
  const routes = items.filter(({ kind }) => kind === 'HTTPRoute').map(({ spec }) => spec.hostnames);
  assert.deepEqual(routes, [['shop.test'], ['own.test']]);
  assert.deepEqual(items.find(({ kind }) => kind === 'Ingress')?.status, { loadBalancer: {} });
});

test('status prints objects with their status as YAML and JSON', async (t) => {
  const cwd = folderWith(t, shop);
  const yaml = await portolan(['status', '-f', 'a', '-o', 'yaml'], { cwd });
  const json = await portolan(['status', '-f', 'a', '-o', 'json'], { cwd });
  const list = JSON.parse(json.out) as {
    kind: string;
    items: { kind: string; metadata: object; status: Record<string, unknown> }[];
  };
  assert.deepEqual(parse(yaml.out), list);
  assert.equal(list.kind, 'List');
  assert.deepEqual(list.items.map(({ kind }) => kind).sort(), ['Gateway', 'HTTPRoute', 'HTTPRoute']);
  const parents = list.items.find(({ kind }) => kind === 'HTTPRoute')?.status['parents'] as {
    controllerName: string;
  }[];
  assert.equal(parents[0]?.controllerName, 'portolan.dev/gateway-controller');
});

test('files from standard input, globs, and files that are missing', async (t) => {
  const cwd = folderWith(t, shop);
  const piped = await portolan(['status', '-f', '-'], { cwd, input: `${gateway(80)}---\n${shop['a/routes.yaml']}` });
  assert.match(piped.out, /httproute\/default\/shop/);
  const globbed = await portolan(['status', '-f', 'a/gateway.yaml', 'a/routes.yaml'], { cwd });
  assert.match(globbed.out, /httproute\/default\/shop/);
  const missing = await portolan(['status', '-f', 'b'], { cwd });
  assert.equal(missing.code, 1);
  assert.match(missing.err, /b:1:1\n {2}no such file or folder/);
});

test('explain names the rule, with exit code 0, or what came closest, with 1', async (t) => {
  const cwd = folderWith(t, shop);
  const taken = await portolan(['explain', 'GET', 'http://any.example.com/cart/1', '-f', 'a'], { cwd });
  assert.equal(taken.code, 0);
  assert.match(taken.out, /Gateway default\/web, port 80, served at 127\.0\.0\.1:8080/);
  assert.match(taken.out, /HTTPRoute default\/shop +a\/routes\.yaml:10:7/);
  assert.match(taken.out, /Service default\/cart:80/);
  const local = await portolan(['explain', 'GET', 'http://any.example.com:8080/nothing', '-f', 'a'], { cwd });
  assert.equal(local.code, 1);
  assert.match(local.out, /404: no match of any route takes it\n\nClosest/);
  const json = await portolan(['explain', 'GET', 'http://x/cart', '-H', 'x-a: b', '-o', 'json', '-f', 'a'], { cwd });
  const answer = JSON.parse(json.out) as {
    answers: { outcome: { kind: string; winner: { route: { name: string } } } }[];
  };
  assert.equal(answer.answers[0]?.outcome.winner.route.name, 'shop');
});

test('explain tells where connections go, and where requests go when no method is given', async (t) => {
  const cwd = folderWith(t, { 'streams.yaml': streams, ...shop });
  const explain = (...args: string[]): ReturnType<typeof portolan> =>
    portolan(['explain', ...args, '-f', '.', '-R'], { cwd });
  const db = await explain('tcp://127.0.0.1:5432', '--backend', 'db=127.0.0.1:1');
  assert.equal(db.code, 0, db.out);
  assert.match(
    db.out,
    /^tcp:\/\/127\.0\.0\.1:5432\n\nGateway +Gateway default\/in, port 5432, served at 127\.0\.0\.1:5432\n/,
  );
  assert.match(db.out, /^Listener +tcp for TCP +streams\.yaml:8:5\nRoute +TCPRoute default\/db +streams\.yaml:23:11$/m);
  assert.match(db.out, /^Backend +100% \(weight 1\) +Service default\/db:5432 .*\n +endpoints: 127\.0\.0\.1:1, tcp\n/m);
  assert.match(db.out, /TLS with SNI db, for db, by nobody\n +its connections are closed\n/);
  const app = await explain('tls://A.example.com');
  assert.equal(app.code, 0, app.out);
  assert.match(app.out, /SNI a\.example\.com\n/);
  assert.match(
    app.out,
    /^Listener +tls of ListenerSet default\/more for \*\.example\.com, TLS passes through +streams\.yaml/m,
  );
  assert.match(app.out, /^TLS +is left to the backend$/m);
  const other = await explain('tls://b.example.com');
  assert.equal(other.code, 1);
  assert.match(
    other.out,
    /Closed: no route for it is attached\n\nClosest\n {2}TLSRoute default\/app .*\n {6}hostname a\.example\.com: it is b/,
  );
  const udp = await explain('udp://127.0.0.1:5432', '-o', 'json');
  assert.equal((JSON.parse(udp.out) as { unreachable: { reason: string } }).unreachable.reason, 'no-such-port');
  assert.match(
    (await explain('http://localhost/cart')).out,
    /^GET http:\/\/localhost\/cart\n[^]*HTTPRoute default\/shop/,
  );
});

test('explain shows who is asked before a request passes, and by what clients stay', async (t) => {
  const auth = (more: string): string => `{ type: ExternalAuth, externalAuth: { ${more} } }`;
  const listener = `    filters: { requests: [${auth('protocol: GRPC, grpc: {}, backendRef: { name: cart, port: 80 }')}] }\n`;
  const http = 'protocol: HTTP, http: { path: /check, allowedHeaders: [x-user] }, forwardBody: { maxSize: 100 }';
  const asked = route('asked', '/', 'cart').replace(
    '    backendRefs:',
    `    sessionPersistence: { type: Header, header: { name: x-stay } }\n    filters: [${auth(`${http}, backendRef: { name: cart, port: 80 }`)}]\n    backendRefs:`,
  );
  const lost = route('lost', '/lost', 'cart').replace(
    '    backendRefs:',
    `    filters: [${auth('protocol: HTTP, http: {}, backendRef: { name: nobody, port: 80 }')}]\n    backendRefs:`,
  );
  const cwd = folderWith(t, { 'a.yaml': [gateway(80, listener), asked, lost, service].join('---\n') });
  const explain = async (url: string): Promise<string> =>
    (await portolan(['explain', url, '-f', '.', '--channel', 'experimental'], { cwd })).out;
  const out = await explain('http://x/');
  assert.match(out, /^ +first: ask default\/cart:80 over gRPC, telling it all headers +a\.yaml/m);
  assert.match(
    out,
    /^Filter +ask default\/cart:80 over HTTP under \/check, telling it headers x-user and bodies of up to 100 octets/m,
  );
  assert.match(out, /^ +a client stays by header x-stay$/m);
  assert.match(await explain('http://x/lost'), /^Filter +ask nobody, .* refused with 500 .*\nAnswer +500$/m);
});

test('explain with --backend and --attach', async (t) => {
  const loose = route('loose', '/', 'app').replace(/ {2}parentRefs:\n {2}- name: web\n/, '');
  const cwd = folderWith(t, { 'g.yaml': gateway(80), 'r.yaml': loose });
  const args = ['explain', 'GET', 'http://x/', '-f', 'g.yaml', '-f', 'r.yaml'];
  const unattached = await portolan(args, { cwd });
  assert.equal(unattached.code, 1);
  const attached = await portolan([...args, '--attach', 'web', '--backend', 'app=127.0.0.1:3000'], { cwd });
  assert.equal(attached.code, 0, attached.out);
  assert.match(attached.out, /endpoints: 127\.0\.0\.1:3000/);
});

test('lint: text with place and fix, exit code 1 on errors and 0 without', async (t) => {
  const cwd = folderWith(t, { ...shop, 'bad/r.yaml': broken, 'bad/y.yaml': 'kind: Gateway\nx: [\n' });
  const bad = await portolan(['lint', '-f', 'a', '-f', 'bad'], { cwd });
  assert.equal(bad.code, 1);
  assert.match(
    bad.out,
    /error {3}a\/routes\.yaml:30:7 {2}HTTPRoute default\/lost .*\n.*nobody does not exist\n {2}fix: /,
  );
  assert.match(bad.out, /error {3}bad\/r\.yaml:10:7 {2}HTTPRoute default\/broken .*\n/);
  assert.match(bad.out, /error {3}bad\/y\.yaml:2:5\n/);
  assert.match(bad.err, /^5 objects: 3 errors/);
  const good = await portolan(['lint', '-f', 'a', '--backend', 'nobody=127.0.0.1:1'], { cwd });
  assert.equal(good.code, 0, good.out);
});

test('lint and status heed the engine that parameters ask for', async (t) => {
  const config = (name: string, spec: string): string =>
    `---\napiVersion: portolan.dev/v1alpha1\nkind: GatewayConfig\nmetadata: { name: ${name} }\nspec: ${spec}\n`;
  const classed = `---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: any }
spec:
  controllerName: portolan.dev/gateway-controller
  parametersRef: { group: portolan.dev, kind: GatewayConfig, namespace: default, name: envoy }
`;
  const services = '---\napiVersion: v1\nkind: Service\nmetadata: { name: shop }\nspec: { ports: [{ port: 80 }] }\n';
  const own = `  infrastructure: { parametersRef: { group: portolan.dev, kind: GatewayConfig, name: own } }\n`;
  const cwd = folderWith(t, {
    'a.yaml': gateway(80, own) + classed + config('envoy', '{ engine: envoy }'),
    'plain.yaml': config('own', '{ replicas: 2 }'),
    'odd.yaml': route('odd', '/\\x{10FFFF}', 'shop').replace('PathPrefix', 'RegularExpression') + services,
    'other.yaml': [
      gateway(81).replace('name: web', 'name: plain').replace(': any', ': other'),
      route('fine', '/\\x{10FFFF}', 'shop')
        .replace('PathPrefix', 'RegularExpression')
        .replace('name: web', 'name: plain'),
    ].join('---\n'),
    'limits.yaml': config('own', '{ proxy: { limits: { bodyBytes: 5 } } }'),
    'both.yaml': config('own', '{ engine: envoy, proxy: { limits: { bodyBytes: 5 } } }'),
  });
  const together = await portolan(['lint', '-f', 'a.yaml', '-f', 'limits.yaml'], { cwd });
  assert.equal(together.code, 1);
  assert.match(
    together.out,
    /error {3}a\.yaml:11:21 {2}Gateway default\/web .*\n.*that Envoy does not have: bodyBytes/,
  );
  const beside = await portolan(['lint', '-f', 'a.yaml', '-f', 'both.yaml'], { cwd });
  assert.match(
    beside.out,
    /error {3}both\.yaml:\d+:\d+ {2}GatewayConfig default\/own {2}spec\.proxy\.limits\n.*Envoy has none of bodyBytes/,
  );
  const odd = await portolan(['lint', '-f', 'a.yaml', '-f', 'plain.yaml', '-f', 'odd.yaml', '-f', 'other.yaml'], {
    cwd,
  });
  assert.match(odd.out, /error {3}odd\.yaml:\d+:\d+ {2}HTTPRoute default\/odd .*\n.*U\+00FF/);
  assert.doesNotMatch(odd.out, /other\.yaml/, 'of another engine');
  const status = await portolan(['status', '-f', 'a.yaml', '-f', 'limits.yaml', '-o', 'yaml'], { cwd });
  assert.match(status.out, /reason: InvalidParameters/);
});

test('lint as JSON, SARIF, and annotations', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(80), 'r.yaml': route('lost', '/', 'nobody') });
  const files = ['-f', 'g.yaml', '-f', 'r.yaml'];
  const json = await portolan(['lint', ...files, '-o', 'json'], { cwd });
  const report = JSON.parse(json.out) as { findings: Record<string, unknown>[]; counts: Record<string, number> };
  const finding = report.findings.find(({ code }) => code === 'BackendNotFound');
  assert.deepEqual([finding?.['file'], finding?.['line'], report.counts['error']], ['r.yaml', 14, 1]);
  const sarif = await portolan(['lint', ...files, '-o', 'sarif'], { cwd });
  const { runs } = JSON.parse(sarif.out) as {
    runs: { results: { locations: { physicalLocation: { region: unknown } }[] }[] }[];
  };
  assert.deepEqual(runs[0]?.results[0]?.locations[0]?.physicalLocation.region, { startLine: 14, startColumn: 7 });
  const github = await portolan(['lint', ...files, '-o', 'github'], { cwd });
  assert.match(
    github.out,
    /^::error file=r\.yaml,line=14,col=7,title=BackendNotFound::HTTPRoute default\/lost: .*%0A/m,
  );
  assert.equal(github.code, 1);
});

test('upgrade prints current YAML, and notes elsewhere', async (t) => {
  const old = gateway(80).replace('/v1\n', '/v1beta1\n');
  const ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: shop
            port:
              number: 80
`;
  const cwd = folderWith(t, { 'old.yaml': `${old}---\n${ingress}` });
  const { code, out, err } = await portolan(['upgrade', '-f', 'old.yaml'], { cwd });
  assert.equal(code, 0, err);
  const objects = parseAllDocuments(out).map((document) => document.toJS() as { apiVersion: string; kind: string });
  assert.deepEqual(new Set(objects.map(({ apiVersion }) => apiVersion)), new Set(['gateway.networking.k8s.io/v1']));
  assert.ok(objects.some(({ kind }) => kind === 'HTTPRoute'));
  assert.match(err, /old\.yaml:1:1 {2}Gateway default\/web/);
  const again = await portolan(['upgrade', '-f', '-', '-o', 'json'], { cwd, input: out });
  assert.deepEqual((JSON.parse(again.out) as { items: unknown[] }).items, objects);
});

test('a manifest cannot write control codes to the terminal', async (t) => {
  const cwd = folderWith(t, { 'a.yaml': gateway(80).replace('name: web', 'name: "w\\e[31mb"') });
  const { out } = await portolan(['lint', '-f', 'a.yaml'], { cwd });
  assert.ok(!out.includes('\u001b'), JSON.stringify(out));
});

for (const example of readdirSync(join(root, 'examples'))) {
  test(`examples/${example} has no errors and no warnings`, async () => {
    const { code, out, err } = await portolan(['lint', '-f', `examples/${example}`, '--dev-certificates'], {
      cwd: root,
    });
    assert.equal(code, 0, out);
    assert.match(err, /no errors, no warnings/, out);
  });
}
