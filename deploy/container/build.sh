#!/bin/sh
# Builds the container image: a static binary, then the image around it.
#
#   deploy/container/build.sh [IMAGE]        default: localhost/agw:latest
#
# Needs cargo, the static libc of the target (Debian: libc6-dev), strip and buildah.
set -eu

image=${1:-localhost/agw:latest}
root=$(cd "$(dirname "$0")/../.." && pwd)
target=$(rustc -vV | sed -n 's/^host: //p')

# glibc resolves no names here (addresses only), so a static glibc is enough.
cd "$root"
# What the gateway says that it was built from.
AGW_COMMIT=$(git rev-parse HEAD 2>/dev/null || true)
export AGW_COMMIT
RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --release --locked --target "$target" --package agwd --package agwctl

built=$(cargo metadata --format-version 1 --no-deps |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/$target/release
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$built/agwd" "$built/agwctl" deploy/agwd.toml "$context/"
strip --strip-debug "$context/agwd" "$context/agwctl"
cp deploy/container/Containerfile "$context/"

# chroot isolation needs neither a daemon nor user namespaces; the image runs nothing while built.
buildah bud --isolation chroot --tag "$image" "$context"
