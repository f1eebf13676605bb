#!/usr/bin/env bash
# Builds the base image without any image registry: a small Debian with Python, straight from Debian's packages.
# usage: base.sh [IMAGE]   (default tidegate-base:bookworm; an image of that name that exists is left as it is)
# TIDEGATE_BASE_MIRROR names another Debian mirror, TIDEGATE_BASE_PACKAGES more packages, comma-separated.
set -euo pipefail

IMAGE=${1:-tidegate-base:bookworm}
PACKAGES=python3,ca-certificates${TIDEGATE_BASE_PACKAGES:+,$TIDEGATE_BASE_PACKAGES}
export DOCKER_HOST=${DOCKER_HOST:-unix:///var/run/docker.sock}

die() { printf 'base: %s\n' "$*" >&2; exit 1; }

docker version >/dev/null 2>&1 || die "no Docker engine answers at $DOCKER_HOST. fix: serving/engine.sh start"
# One builder at a time; the second one then finds the image.
exec 9>"${TMPDIR:-/tmp}/tidegate-base-$(id -u).lock"
flock 9
if docker image inspect "$IMAGE" >/dev/null 2>&1; then
    printf 'base: %s is there\n' "$IMAGE" >&2
    exit 0
fi
command -v mmdebstrap >/dev/null || die "mmdebstrap is missing. fix: apt-get install mmdebstrap"

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
printf 'base: building %s (about a minute)\n' "$IMAGE" >&2
# Manuals and translations are left out; licences stay.
mmdebstrap --variant=minbase --include="$PACKAGES" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --aptopt='Acquire::Retries "3"' \
    bookworm - ${TIDEGATE_BASE_MIRROR:+"$TIDEGATE_BASE_MIRROR"} 2>"$LOG" 9>&- |
    docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PYTHONUNBUFFERED=1' \
        --change 'CMD ["python3"]' - "$IMAGE" >/dev/null ||
    { tail -n 20 "$LOG" >&2; docker image rm "$IMAGE" >/dev/null 2>&1 || true; die "mmdebstrap could not build the base image"; }
printf 'base: %s built, %s bytes\n' "$IMAGE" "$(docker image inspect -f '{{.Size}}' "$IMAGE")" >&2
