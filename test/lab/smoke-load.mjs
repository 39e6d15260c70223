// smoke-load.mjs URL SECONDS: requests on new and on kept connections; prints how many went wrong, and which answers came.
import http from 'node:http';

const [url = '', seconds = '10'] = process.argv.slice(2);
const end = Date.now() + Number(seconds) * 1000;
const answers = {};
const failures = {};

await Promise.all([...Array(4).keys()].map((n) => client(new http.Agent({ keepAlive: n % 2 === 0, maxSockets: 1 }))));
console.log(JSON.stringify({ answers, failures }));
process.exit(Object.keys(failures).length === 0 ? 0 : 1);

async function client(agent) {
  while (Date.now() < end) {
    const result = await once(agent);
    const counts = result.ok ? answers : failures;
    counts[result.text] = (counts[result.text] ?? 0) + 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function once(agent) {
  return new Promise((resolve) => {
    const request = http.get(url, { agent, timeout: 5000 }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ ok: response.statusCode === 200, text: text.trim() }));
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error) => resolve({ ok: false, text: error.code ?? error.message }));
  });
}
