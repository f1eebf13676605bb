#!/usr/bin/env bash
# Gets a Docker engine where none answers: `start`, `stop` or `status`. Safe to call twice, also at the same time.
# An engine that already answers is left as it is; `stop` ends only an engine that `start` began.
set -euo pipefail

DIR=${TIDEGATE_ENGINE_DIR:-/var/lib/tidegate-engine}
PIDFILE=$DIR/dockerd.pid
LOG=$DIR/dockerd.log
export DOCKER_HOST=${DOCKER_HOST:-unix:///var/run/docker.sock}

say() { printf 'engine: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

version() { command -v docker >/dev/null && timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null; }

# The process id of the engine that `start` began, if that very process still runs.
ours() {
    local pid
    pid=$(cat "$PIDFILE" 2>/dev/null) && [ -n "$pid" ] || return 1
    { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "--pidfile $PIDFILE " || return 1
    printf '%s' "$pid"
}

need_root() {
    [ "$(id -u)" = 0 ] || die "no Docker engine answers at $DOCKER_HOST, and starting one takes root. fix: run this as root, start your engine, or set DOCKER_HOST"
}

# Debian packages by name; what is there already is not touched.
install() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || die "this is no Debian: install by hand: ${missing[*]}"
    say "installing ${missing[*]}"
    local get=(apt-get -o DPkg::Lock::Timeout=300 -y -q)
    export DEBIAN_FRONTEND=noninteractive
    "${get[@]}" --no-install-recommends install "${missing[@]}" >"$DIR/apt.log" 2>&1 ||
        { "${get[@]}" update && "${get[@]}" --no-install-recommends install "${missing[@]}"; } >>"$DIR/apt.log" 2>&1 ||
        { tail -n 20 "$DIR/apt.log" >&2; die "apt-get could not install ${missing[*]} (the lines above end $DIR/apt.log)"; }
}

start() {
    local found pid
    if found=$(version); then say "engine $found answers at $DOCKER_HOST"; return; fi
    case $DOCKER_HOST in unix://*) ;; *) die "no engine answers at $DOCKER_HOST. fix: start it there, or unset DOCKER_HOST" ;; esac
    need_root
    mkdir -p "$DIR"
    exec 9>"$DIR/lock"
    flock 9
    if found=$(version); then say "engine $found answers at $DOCKER_HOST"; return; fi
    install docker.io iptables mmdebstrap docker-registry
    # Where systemd runs, the package's own service is the engine; it is the system's, and `stop` leaves it alone.
    [ -d /run/systemd/system ] && systemctl start docker >>"$DIR/apt.log" 2>&1 || true
    if found=$(version); then say "engine $found answers at $DOCKER_HOST"; return; fi
    if ! pid=$(ours); then
        rm -f "$PIDFILE"
        PATH=$PATH:/usr/sbin:/sbin setsid dockerd --host "$DOCKER_HOST" --data-root "$DIR/data" --pidfile "$PIDFILE" \
            >"$LOG" 2>&1 </dev/null 9>&- &
        pid=$!
    fi
    for _ in $(seq 300); do
        if found=$(version); then say "engine $found started at $DOCKER_HOST, log in $LOG"; return; fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    tail -n 20 "$LOG" >&2
    die "dockerd does not answer (the lines above end $LOG)"
}

stop() {
    local pid
    if ! pid=$(ours); then say "nothing to stop: no engine was started from here"; return; fi
    need_root
    exec 9>"$DIR/lock"
    flock 9
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 150); do
        kill -0 "$pid" 2>/dev/null || { say "stopped"; return; }
        sleep 0.2
    done
    die "dockerd (process $pid) does not end; its log is $LOG"
}

status() {
    local found pid
    found=$(version) || die "no engine answers at $DOCKER_HOST"
    if pid=$(ours); then say "engine $found answers at $DOCKER_HOST (process $pid, started from here)"
    else say "engine $found answers at $DOCKER_HOST (not started from here)"; fi
}

case ${1:-} in
    start | stop | status) "$1" ;;
    *) printf 'usage: %s start|stop|status\n' "$0" >&2; exit 2 ;;
esac
