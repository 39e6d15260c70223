#!/bin/sh
# Programs and what they need → a folder that is the root of an image: their shared libraries, authorities, how names are looked up, and
# the name of the user. Run where the programs are, on PATH (deploy/Dockerfile).
#   image-root.sh FOLDER PROGRAM…
set -eu
root="$1"
shift

mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/proc" "$root/sys" "$root/dev"
for name in "$@"; do
  program="$(command -v "$name")"
  cp -L "$program" "$root/usr/local/bin/$name"
  # Each line names a path: the loader, or a library behind an arrow.
  ldd "$program" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin' >"$root/etc/passwd"
echo 'nonroot:x:65532:' >"$root/etc/group"
