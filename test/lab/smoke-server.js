// The program of smoke-pods.yaml: answers what it finds around it.
const dgram = require('node:dgram');
const dns = require('node:dns/promises');
const { readFileSync, rmSync, writeFileSync } = require('node:fs');
const http = require('node:http');

const account = '/var/run/secrets/kubernetes.io/serviceaccount';
let ready = true;
// The volume outlives the container: a restart is the cure.
rmSync('/tmp/sick', { force: true });

const server = http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  const answers = {
    '/': () => process.argv[2],
    '/ready': () => ((response.statusCode = ready ? 200 : 503), ''),
    '/about': about,
    '/name': async () => (await dns.lookup(searchParams.get('of'), { all: true })).map(({ address }) => address),
    '/fetch': async () => (await fetch(searchParams.get('url'))).text(),
    '/api': async () => (await fetch('https://kubernetes.default.svc/api/v1/namespaces/smoke', { headers: { authorization: `Bearer ${readFileSync(`${account}/token`, 'utf8')}` } })).status,
    '/sick': () => writeFileSync('/tmp/sick', ''),
  };
  if (!ready) response.setHeader('connection', 'close');
  try {
    response.end(`${JSON.stringify(await answers[pathname]())}\n`);
  } catch (error) {
    response.writeHead(500).end(require('node:util').inspect(error));
  }
});

function about() {
  const status = readFileSync('/proc/self/status', 'utf8');
  return {
    pid: process.pid,
    uid: process.getuid(),
    groups: process.getgroups(),
    capabilities: /^CapBnd:\s+(\w+)/m.exec(status)[1],
    noNewPrivs: /^NoNewPrivs:\s+(\d)/m.exec(status)[1],
    writable: ['/x', '/etc/x', '/usr/x', '/etc/word/x', '/tmp/x'].filter(isWritable),
    before: readFileSync('/tmp/before', 'utf8'),
    word: readFileSync('/etc/word/word', 'utf8'),
    greeting: process.env.GREETING,
    namespace: readFileSync(`${account}/namespace`, 'utf8'),
    named: process.env.POD === require('node:os').hostname() && process.env.IP.startsWith('10.244.'),
  };
}

function isWritable(path) {
  try {
    writeFileSync(path, '');
    return true;
  } catch {
    return false;
  }
}

const datagrams = dgram.createSocket('udp4', (message, from) => datagrams.send(`${message} back`, from.port, from.address));
datagrams.bind(53);
server.listen(80);
// Clients that keep connections are asked to leave, for a while: closing under them could cross a request on its way.
process.on('SIGTERM', () => {
  ready = false;
  setTimeout(() => server.close(() => process.exit(0)), 1000);
});
