#!/usr/bin/env bash
# Builds static binaries and puts them into an image with buildah (podman and docker read the same
# Containerfile). Usage: build.sh [TAG]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tag=${1:-localhost/agw:latest}
target=x86_64-unknown-linux-gnu

cd "$root"
RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --release --target "$target" --bin agwd --bin agwctl
built=${CARGO_TARGET_DIR:-target}/$target/release

context=$(mktemp --directory)
trap 'rm -rf "$context"' EXIT
cp "$built/agwd" "$built/agwctl" deploy/agwd.toml "$context/"
buildah build --isolation chroot --file "$here/Containerfile" --tag "$tag" "$context"
