// Names as Kubernetes defines them: DNS labels and subdomains (RFC 1123), qualified names, label values. The
// regular expressions are unambiguous, so that JavaScript's engine takes linear time.

const label = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const namePart = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

export function isDns1123Label(text: string): boolean {
  return text.length <= 63 && label.test(text);
}

export function isDns1123Subdomain(text: string): boolean {
  return text.length <= 253 && subdomain.test(text);
}

/** The key of a label or an annotation: an optional DNS subdomain and `/`, then at most 63 characters. */
export function isQualifiedName(text: string): boolean {
  const slash = text.indexOf('/');
  if (slash >= 0 && !isDns1123Subdomain(text.slice(0, slash))) return false;
  const name = text.slice(slash + 1);
  return name.length <= 63 && namePart.test(name);
}

export function isLabelValue(text: string): boolean {
  return text === '' || (text.length <= 63 && namePart.test(text));
}
