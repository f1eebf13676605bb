#!/usr/bin/env bash
# Builds the reference serving image, pushes it, and prints its reference by digest (the only line on standard output).
# TIDEGATE_SERVING_BASE   a base image with python3 from a registry you reach; without it base.sh makes one of Debian packages
# TIDEGATE_REGISTRY       a registry to push to, HOST:PORT; without it registry.sh starts one on a loopback port
# TIDEGATE_SERVING_PYTHON a Python with pip that fetches the wheels (default: .venv-serving's, else python3)
# What was built before from the same base, pins and server is not built again.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PINS=$HERE/../requirements/server.txt
export DOCKER_HOST=${DOCKER_HOST:-unix:///var/run/docker.sock}
export DOCKER_BUILDKIT=0 # the classic builder needs no helper image and no plug-in

say() { printf 'build: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

docker version >/dev/null 2>&1 || die "no Docker engine answers at $DOCKER_HOST. fix: serving/engine.sh start"
# One builder at a time; the second one then finds the image.
exec 9>"${TMPDIR:-/tmp}/tidegate-serve-$(id -u).lock"
flock 9

BASE=${TIDEGATE_SERVING_BASE:-}
if [ -n "$BASE" ]; then
    docker image inspect "$BASE" >/dev/null 2>&1 || docker pull -q "$BASE" >&2 ||
        die "the base image $BASE cannot be pulled. fix: correct TIDEGATE_SERVING_BASE, or unset it to build one of Debian packages"
else
    BASE=tidegate-base:bookworm
    bash "$HERE/base.sh" "$BASE" 9>&-
fi

made_of() {
    docker image inspect -f '{{.Id}}' "$BASE"
    cat "$PINS" "$HERE/Dockerfile" "$HERE/build.sh" "$HERE"/tidegate_serving/*.py
}
KEY=$(made_of | sha256sum | cut -c1-12)
IMAGE=tidegate-serve:$KEY

# The wheels are unpacked here for the image's own Python and processor, so that the build itself needs no network.
unpack() {
    local python=${TIDEGATE_SERVING_PYTHON:-$HERE/../.venv-serving/bin/python} version machine platforms=() minor
    [ -x "$python" ] || python=python3
    "$python" -m pip --version >/dev/null 2>&1 || die "$python has no pip. fix: make serving, or name a Python in TIDEGATE_SERVING_PYTHON"
    version=$(docker run --rm --network none "$BASE" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') ||
        die "$BASE has no python3. fix: name a base image that has one in TIDEGATE_SERVING_BASE"
    case $(docker image inspect -f '{{.Architecture}}' "$BASE") in
        amd64) machine=x86_64 ;;
        arm64) machine=aarch64 ;;
        *) die "no wheels are published for the processor of $BASE" ;;
    esac
    for minor in 17 24 26 27 28 31 34 35; do platforms+=(--platform "manylinux_2_${minor}_$machine"); done
    "$python" -m pip install -qq --disable-pip-version-check --no-compile --no-deps --only-binary=:all: \
        --python-version "$version" --implementation cp --platform "manylinux2014_$machine" "${platforms[@]}" \
        --target "$1" --requirement "$PINS" >&2 || die "the wheels could not be fetched: see above"
    # Tests of others weigh 60 MB and are never imported.
    rm -rf "$1"/pandas/tests "$1"/bin
    find "$1"/numpy "$1"/pyasn1 -type d -name tests -prune -exec rm -rf {} + 2>/dev/null || true
}

if docker image inspect "$IMAGE" >/dev/null 2>&1; then
    say "$IMAGE is there"
else
    CONTEXT=$(mktemp -d)
    trap 'rm -rf "$CONTEXT"' EXIT
    say "building $IMAGE (about a minute)"
    mkdir "$CONTEXT/site" "$CONTEXT/tidegate_serving"
    unpack "$CONTEXT/site"
    cp "$HERE"/tidegate_serving/*.py "$CONTEXT/tidegate_serving/"
    cp "$HERE/Dockerfile" "$CONTEXT/"
    docker build --quiet --force-rm --build-arg BASE="$BASE" --tag "$IMAGE" "$CONTEXT" >&2 || die "docker build failed: see above"
    say "$IMAGE built, $(docker image inspect -f '{{.Size}}' "$IMAGE") bytes"
fi

REGISTRY=${TIDEGATE_REGISTRY:-}
[ -n "$REGISTRY" ] || REGISTRY=$(bash "$HERE/registry.sh" start 9>&-)
TARGET=$REGISTRY/tidegate-serve:$KEY
docker tag "$IMAGE" "$TARGET"
PUSHED=$(docker push "$TARGET" 2>&1) || { printf '%s\n' "$PUSHED" >&2; die "the image could not be pushed to $REGISTRY"; }
DIGEST=$(printf '%s\n' "$PUSHED" | grep -oE 'sha256:[0-9a-f]{64}' | tail -n 1)
[ -n "$DIGEST" ] || { printf '%s\n' "$PUSHED" >&2; die "the registry named no digest"; }
printf '%s/tidegate-serve@%s\n' "$REGISTRY" "$DIGEST"
