// How clients come to trust the local authority, in the words of this system.

/** How to make this machine trust the authority, one command or hint a line. */
export function trustAdvice(path: string): readonly string[] {
  const curl = `curl --cacert ${quoted(path)} …`;
  switch (process.platform) {
    case 'darwin':
      return [
        curl,
        `sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${quoted(path)}`,
      ];
    case 'win32':
      return [curl, `certutil -addstore -user Root ${quoted(path)}`];
    default:
      return [
        curl,
        `sudo cp ${quoted(path)} /usr/local/share/ca-certificates/portolan.crt && sudo update-ca-certificates   (Debian, Ubuntu)`,
        `sudo trust anchor ${quoted(path)}   (Fedora, Arch)`,
      ];
  }
}

function quoted(path: string): string {
  return /^[\w/.:\\-]+$/.test(path) ? path : `"${path}"`;
}
