#!/usr/bin/env bash
# A registry of this machine's own, on a loopback port: `start` (prints 127.0.0.1:PORT), `stop` or `status`.
# TIDEGATE_REGISTRY_DIR says where it keeps its images and its port; the port stays the same from start to start.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then DEFAULT=/var/lib/tidegate-registry; else DEFAULT=${XDG_STATE_HOME:-$HOME/.local/state}/tidegate/registry; fi
DIR=${TIDEGATE_REGISTRY_DIR:-$DEFAULT}

say() { printf 'registry: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The process id of the registry that `start` began, if that very process still runs.
ours() {
    local pid
    pid=$(cat "$DIR/pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- " serve $DIR/config.yml" || return 1
    printf '%s' "$pid"
}

answers() {
    python3 - "$1" <<'EOF' 2>/dev/null
import sys, urllib.request
urllib.request.urlopen(f"http://{sys.argv[1]}/v2/", timeout=5)
EOF
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

install() {
    command -v docker-registry >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing docker-registry"
        local get=(apt-get -o DPkg::Lock::Timeout=300 -y -q --no-install-recommends)
        export DEBIAN_FRONTEND=noninteractive
        { "${get[@]}" install docker-registry || { "${get[@]}" update && "${get[@]}" install docker-registry; }; } >"$DIR/apt.log" 2>&1 ||
            { tail -n 20 "$DIR/apt.log" >&2; die "apt-get could not install docker-registry"; }
        return
    fi
    die "docker-registry is missing. fix: install it (Debian: apt-get install docker-registry), or name a registry of yours in TIDEGATE_REGISTRY"
}

start() {
    mkdir -p "$DIR"
    exec 9>"$DIR/lock"
    flock 9
    local pid host
    if pid=$(ours); then
        host=$(cat "$DIR/host")
        answers "$host" && { say "answers at $host"; printf '%s\n' "$host"; return; }
        die "process $pid does not answer at $host; its log is $DIR/log. fix: $0 stop, then start"
    fi
    install
    for _ in 1 2 3; do # the port of last time may be taken by now
        host=$(cat "$DIR/host" 2>/dev/null || printf '127.0.0.1:%s' "$(free_port)")
        printf 'version: 0.1\nlog: {level: warn}\nhttp: {addr: "%s"}\nstorage: {filesystem: {rootdirectory: "%s"}, delete: {enabled: true}}\n' \
            "$host" "$DIR/data" >"$DIR/config.yml"
        setsid docker-registry serve "$DIR/config.yml" >"$DIR/log" 2>&1 </dev/null 9>&- &
        pid=$!
        printf '%s' "$pid" >"$DIR/pid"
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            if answers "$host"; then
                printf '%s' "$host" >"$DIR/host"
                say "started at $host"
                printf '%s\n' "$host"
                return
            fi
            sleep 0.1
        done
        kill "$pid" 2>/dev/null || true
        rm -f "$DIR/host"
    done
    tail -n 5 "$DIR/log" >&2
    die "docker-registry does not start (the lines above end $DIR/log)"
}

stop() {
    local pid
    if ! pid=$(ours); then say "nothing to stop"; return; fi
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || { rm -f "$DIR/pid"; say "stopped"; return; }
        sleep 0.1
    done
    die "process $pid does not end; its log is $DIR/log"
}

status() {
    ours >/dev/null || die "does not run"
    say "answers at $(cat "$DIR/host")"
}

case ${1:-} in
    start | stop | status) "$1" ;;
    *) printf 'usage: %s start|stop|status\n' "$0" >&2; exit 2 ;;
esac
