#!/bin/sh
# Node and what it needs → a folder that is the root of an image: its shared libraries, authorities, how names are looked up, and the
# name of the user. Run where Node is (deploy/Dockerfile).
#   image-root.sh FOLDER
set -eu
root="$1"
node="$(command -v node)"

mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/proc" "$root/sys" "$root/dev"
cp "$node" "$root/usr/local/bin/node"
# Each line names a path: the loader, or a library behind an arrow.
ldd "$node" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin' >"$root/etc/passwd"
echo 'nonroot:x:65532:' >"$root/etc/group"
