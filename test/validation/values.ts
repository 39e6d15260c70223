// What mutated fields are set to: from what patterns, rules and formats tell apart, and a little beside it.

export const words: readonly string[] = [
  '', 'a', 'b', 'A', '-a', 'a-', 'a_b', 'x-a', 'X-A', 'a.example.com', '*.example.com', '*.*.com', 'a.*.com', 'example.com', 'example.com.',
  'Example.com', 'example.com/a', 'example.com/', '/example', 'k8s.io/a', '*', 'a/b', 'http', 'https://example.com', 'https://example.com:443',
  'http://*.example.com', 'https://example.com/path', 'https://example.com:0', 'null', '/', '/a', '/a/', '/a//b', '/a/./b', '/a/..', '/a/.',
  '/a/../b', '/%2f', '/%2F', '/%zz', '/a#', '/a b', '/a?b', '/ü', 'a\n', '/a\n', 'a.example.com\n', '.*', '(', '[a-z]+', '0', '0s', '1s', '10s',
  '500ms', '1h', '2h', '1h30m', '1.5s', '-1s', '99999h', '100000h', '1d', '1m1m1m1m', '1m1m1m1m1m', '192.0.2.1', '192.0.2.01', '192.0.2.256', '0.0.0.0', '::', '224.0.0.1', 'ff02::1', '127.0.0.1', '169.254.1.1',
  '192.0.2.0/24', '192.0.2.1/24', '::1', '2001:db8::1', '::ffff:192.0.2.1', '::FFFF:192.0.2.1', 'fe80::1%eth0', '[::1]', '1.2.3', '2001:db8::/32',
  'Service', 'Gateway', 'ListenerSet', 'Secret', 'ConfigMap', 'XBackend', 'ClusterTrustBundle', 'Hostname', 'IPAddress', 'NamedAddress',
  'gateway.networking.k8s.io', 'gateway.networking.x-k8s.io', 'certificates.k8s.io', 'core', 'HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP',
  'example.com/proto', 'Terminate', 'Passthrough', 'System', 'None', 'Same', 'All', 'Selector', 'GET', 'get', 'PUT', 'Exact', 'RegularExpression',
  'kubernetes.io/h2c', 'svc.cluster.local', 'foo.Bar', 'Get', '1Get', 'value with spaces', 'a  b', ' a', 'a ', '\t', 'a\tb', 'aé', '\u{1f600}',
  '\u0000', 'spiffe://a/b', 'urn:a:b', '://', '__proto__', 'constructor', 'kube-system', 'True', '1', '80', '1e3', 'ClusterIP', 'NodePort',
  'LoadBalancer', 'ExternalName', 'IPv4', 'IPv6', 'FQDN', 'Prefix', 'ImplementationSpecific', 'a--b', 'a.b', 'MTIz', 'MTI', 'not base64!', '-1',
]; // prettier-ignore

export const numbers: readonly number[] = [
  0, 1, 2, 3, 16, 80, 99, 100, 199, 200, 301, 303, 308, 399, 400, 418, 443, 500, 599, 600, 1000, 8080, 65_535, 65_536, 1_000_000, 1_000_001, -1,
  0.5, 1.5, 2_147_483_647, 2_147_483_648, 4_294_967_296, 9_007_199_254_740_991, 2 ** 53, 2 ** 62, 2 ** 63, 1e19, 1e30, 1e308, 5e-324, -1e30,
]; // prettier-ignore

/** Of maps. */
export const keys: readonly string[] = [
  'a', 'A', 'a.b', 'example.com/a', 'example.com/', '/a', 'Example.com/a', 'a b', 'a/b/c', '-a', 'a-', '', 'ü', '\u{1f600}', '__proto__',
  'constructor', 'hasOwnProperty', 'spec', 'gateway.networking.k8s.io/a', 'kubernetes.io/a', 'k8s.io/a', '*', 'tls.crt', 'a[0]', 'a"b', "a'b",
  'x'.repeat(63), 'x'.repeat(64), 'example.com/'.concat('x'.repeat(63)), 'example.com/'.concat('x'.repeat(64)), '.', '..', '..a', 'ca.crt', 'a\nb',
]; // prettier-ignore

/** Of fields that do not exist. The server cannot tell a line break, in a header, or very odd names. */
export const fieldNames: readonly string[] = keys.filter((key) => !key.includes('\n'));

/** Names, and values of labels. */
export const labels: readonly string[] = [
  'a', '', 'A', 'a.b', '1', '1a', '-a', 'a-', 'a_b', 'a b', 'a/b', 'ü', 'a'.repeat(63), 'a'.repeat(64), '*', '.a', 'a..b', '%', 'a.b-c', '_', 'true',
]; // prettier-ignore
