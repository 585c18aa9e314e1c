#!/usr/bin/env bash
# Real Apache Kafka on this machine, from Maven Central's jars: for tests, for trials, never for anything to keep.
#
#   up.sh 1|3               starts a cluster of so many brokers, or what is down of it, and waits until it answers
#   up.sh status            each broker: its process, memory, address
#   up.sh kill ID           kill -9 of one broker          up.sh start ID      starts it again
#   up.sh pause ID          it stands still (SIGSTOP)      up.sh continue ID   and goes on
#   up.sh stop              ends all brokers               up.sh wipe          and deletes the cluster's folder
#   up.sh tool NAME …       Kafka's own tools: kafka-topics, kafka-configs, kafka-console-producer, … or a class
#
# Options, before the command:
#   --dir DIR     the cluster's folder: data, logs, ports [KAFKA_DIR, or ./kafka-data]. Clusters in several folders
#                 run side by side; a folder's ports are chosen once and kept.
#   --owner PID   with 1 or 3: when that process ends, however it ends, so do the brokers.
#
# Environment: KAFKA_JARS (folder of the jars, downloaded once) KAFKA_HEAP (512m a broker)
#              KAFKA_EXTRA (lines to add to every broker's properties when it starts)
#
# Needs a JDK or JRE of 17 or later and, for the download, Maven. Brokers listen on 127.0.0.1 only, without passwords.
# The last line of a start is `bootstrap=HOST:PORT,…`. Exit codes: 0 done, 1 failed, 2 something is missing or misspelt.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
self="$here/up.sh"
dir=${KAFKA_DIR:-./kafka-data}
heap=${KAFKA_HEAP:-512m}
owner=

# Progress and complaints; standard output has results only.
say() { printf '%s\n' "$*" >&2; }
fail() { say "up.sh: $*"; exit 1; }
misuse() { say "up.sh: $*"; exit 2; }

# --- What it runs on -----------------------------------------------------------------------------------------------

needs_java() {
    local version
    command -v java >/dev/null ||
        misuse 'there is no java: apt-get install --no-install-recommends openjdk-17-jre-headless maven'
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
    ((${version:-0} >= 17)) ||
        misuse "Kafka needs Java 17, this is ${version:-unknown}: apt-get install --no-install-recommends openjdk-17-jre-headless"
}

jars_folder() {
    local version
    version=$(sed -n 's:.*<kafka>\(.*\)</kafka>.*:\1:p' "$here/pom.xml")
    printf '%s\n' "${KAFKA_JARS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/corepost/kafka-$version}"
}

# Downloads the jars, unless they are there. They come under another name and are renamed when all are there, so a
# download that was interrupted is none; who comes at the same time waits.
needs_jars() {
    [[ -d $jars ]] && return
    command -v mvn >/dev/null ||
        misuse 'there is no mvn to download Kafka with: apt-get install --no-install-recommends maven'
    mkdir -p "$(dirname "$jars")"
    (
        flock 9
        [[ -d $jars ]] && exit
        say "up.sh: downloading Kafka to $jars, once (55 MB)"
        rm -rf "$jars.part"
        mvn -B -q -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars.part" >&2 9>&- ||
            fail "Maven could not download Kafka's jars; its own words are above"
        mv "$jars.part" "$jars"
    ) 9>"$jars.lock"
}

# --- The cluster's folder ------------------------------------------------------------------------------------------
# `brokers` has a line per broker: ID, port for clients, port for controllers. Beside it, per broker: ID.properties,
# ID.data/, ID.out, ID.pid.

brokers() { if [[ -f $dir/brokers ]]; then cut -d' ' -f1 "$dir/brokers"; fi; }
ports() { sed -n "s/^$1 //p" "$dir/brokers"; }
address() { local both; both=$(ports "$1"); echo "127.0.0.1:${both% *}"; }
bootstrap() { local id all=; for id in $(brokers); do all+="${all:+,}$(address "$id")"; done; echo "bootstrap=$all"; }

knows() {
    [[ -f $dir/brokers ]] || misuse "there is no cluster in $dir; start one with: $0 --dir $dir 1"
    [[ -n ${1:-} && -n $(ports "$1") ]] || misuse "there is no broker '${1:-}' in $dir; there are: $(brokers | xargs)"
}

# Ports that nobody listens on, below those that the kernel gives to outgoing connections.
free_ports() { # how many
    local port used="" found=0
    used=$(awk '$4 == "0A" {split($2, at, ":"); print at[2]}' /proc/net/tcp /proc/net/tcp6 2>/dev/null || true)
    while ((found < $1)); do
        port=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
        if [[ $used != *"$(printf '%04X' "$port")"* ]]; then
            used+=" $(printf '%04X' "$port")"
            echo "$port"
            found=$((found + 1))
        fi
    done
}

new_cluster() { # brokers
    local n=$1 id all
    mkdir -p "$dir"
    mapfile -t all < <(free_ports $((2 * n)))
    for ((id = 1; id <= n; id++)); do echo "$id ${all[id * 2 - 2]} ${all[id * 2 - 1]}"; done >"$dir/brokers.new"
    # 22 characters of base 64 are the 16 bytes that Kafka wants for the name of a cluster; the first may be a dash.
    head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c1-22 >"$dir/cluster"
    mv "$dir/brokers.new" "$dir/brokers"
}

# A broker and controller in one. Beyond what any cluster of our size would have: what makes a dead broker leave the
# in-sync replicas within 3 s instead of 9, for until then no produce with acks=all is answered (FINDINGS.md §4). A lone
# broker has nobody to wait for, and on a busy machine it would be fenced for being slow.
properties() { # ID
    local id=$1 n other client controller voters="" rf=1 isr=1 session=30000
    n=$(brokers | wc -l)
    ((n < 3)) || { rf=3 isr=2 session=3000; }
    read -r client controller <<<"$(ports "$id")"
    for other in $(brokers); do voters+="${voters:+,}$other@127.0.0.1:$(ports "$other" | cut -d' ' -f2)"; done
    cat <<-END
	process.roles=broker,controller
	node.id=$id
	controller.quorum.voters=$voters
	listeners=PLAINTEXT://127.0.0.1:$client,CONTROLLER://127.0.0.1:$controller
	advertised.listeners=PLAINTEXT://127.0.0.1:$client
	controller.listener.names=CONTROLLER
	inter.broker.listener.name=PLAINTEXT
	listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
	log.dirs=$dir/$id.data
	broker.session.timeout.ms=$session
	broker.heartbeat.interval.ms=500
	auto.create.topics.enable=false
	default.replication.factor=$rf
	min.insync.replicas=$isr
	offsets.topic.replication.factor=$rf
	offsets.topic.num.partitions=8
	transaction.state.log.replication.factor=$rf
	transaction.state.log.min.isr=$isr
	transaction.state.log.num.partitions=4
	share.coordinator.state.topic.replication.factor=$rf
	share.coordinator.state.topic.min.isr=$isr
	share.coordinator.state.topic.num.partitions=1
	group.initial.rebalance.delay.ms=0
	log.retention.check.interval.ms=5000
	num.network.threads=2
	num.io.threads=4
	num.replica.fetchers=1
	${KAFKA_EXTRA:-}
	END
}

logging() {
    cat <<-'END'
	status = error
	appender.c.type = Console
	appender.c.name = c
	appender.c.layout.type = PatternLayout
	appender.c.layout.pattern = [%d] %p %m (%c)%n
	rootLogger.level = info
	rootLogger.appenderRef.c.ref = c
	END
}

# --- Processes -----------------------------------------------------------------------------------------------------

# Process IDs are used again: one is ours only if its command line has what only ours has.
is_running() { # file of the process ID, word of its command line
    local pid
    pid=$(cat "$1" 2>/dev/null) && [[ -n $pid ]] || return 1
    tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$2"
}
alive() { is_running "$dir/$1.pid" "$dir/$1.properties"; }
pid() { cat "$dir/$1.pid"; }

# Runs a program in a session of its own, with nothing open that was inherited: a broker that lives on with the caller's
# pipe or lock would keep its reader waiting and its lock held.
detached() { # file of the process ID, output, program…
    local pid_file=$1 output=$2
    shift 2
    (
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            ((fd <= 2)) || eval "exec $fd>&-"
        done
        exec setsid "$@" </dev/null >>"$output" 2>&1
    ) 2>/dev/null &
    echo $! >"$pid_file"
}

format() { # ID
    [[ -f $dir/$1.data/meta.properties ]] && return
    java -Xmx128m -XX:TieredStopAtLevel=1 -cp "$class_path" kafka.tools.StorageTool \
        format "--cluster-id=$(cat "$dir/cluster")" -c "$dir/$1.properties" >>"$dir/$1.out" 2>&1 ||
        fail "broker $1 could not be given its folder: $(tail -3 "$dir/$1.out")"
}

launch() { # ID
    alive "$1" && return
    : >"$dir/$1.out"
    properties "$1" >"$dir/$1.properties"
    format "$1"
    [[ -z $owner || -n $(began "$owner") ]] || fail "process $owner, which owns the brokers, has ended"
    detached "$dir/$1.pid" "$dir/$1.out" java "-Xms$heap" "-Xmx$heap" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
        -Djava.awt.headless=true -cp "$class_path" kafka.Kafka "$dir/$1.properties"
}

# Waits until the brokers say that they are there.
wait_for() { # ID…
    local id begun=$SECONDS told=$SECONDS
    for id in "$@"; do
        until grep -q 'Kafka Server started' "$dir/$id.out" 2>/dev/null; do
            kill -0 "$(pid "$id")" 2>/dev/null || {
                say "up.sh: broker $id ended while it started; the end of $dir/$id.out:"
                tail -5 "$dir/$id.out" >&2
                grep -q 'Address already in use' "$dir/$id.out" &&
                    say "up.sh: somebody has taken its port; make the cluster anew with: $0 --dir $dir wipe"
                exit 1
            }
            ((SECONDS - begun < 90)) || fail "broker $id did not start within 90 s; see $dir/$id.out"
            if ((SECONDS > told)); then
                say "up.sh: waiting for broker $id ($((SECONDS - begun)) s)"
                told=$((SECONDS + 1))
            fi
            sleep 0.1
        done
    done
}

# The brokers end with this process: a second one watches it. What identifies a process for good is when it began.
began() { awk '{sub(/^.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null || true; }
watch_owner() {
    local since
    since=$(began "$owner")
    [[ -n $since ]] || fail "there is no process $owner to own the brokers"
    end_watcher
    detached "$dir/watcher.pid" "$dir/watcher.out" "$self" --dir "$dir" watch "$owner" "$since"
}
watch() { # process, when it began
    local id
    while [[ $(began "$1") == "$2" ]]; do sleep 0.3; done
    # Nobody is left who could want what is in them. More than once: the owner may have ended while they were started.
    for _ in {1..10}; do
        for id in $(brokers); do
            if alive "$id"; then kill -9 "$(pid "$id")" || true; fi
        done
        sleep 0.3
    done
}
end_watcher() {
    if is_running "$dir/watcher.pid" watch && is_running "$dir/watcher.pid" "$dir"; then kill "$(pid watcher)" || true; fi
    rm -f "$dir/watcher.pid"
}

# --- Commands ------------------------------------------------------------------------------------------------------

cluster() { # brokers
    local there id
    there=$(brokers | wc -l)
    ((there == 0 || there == $1)) || misuse "the cluster in $dir has $there brokers; wipe it first, or take another --dir"
    needs_jars
    ((there > 0)) || new_cluster "$1"
    logging >"$dir/log4j2.properties"
    say "up.sh: starting Kafka in $dir"
    [[ -z $owner ]] || watch_owner
    for id in $(brokers); do launch "$id"; done
    # shellcheck disable=SC2046 # the IDs are words
    wait_for $(brokers)
    bootstrap
}

stop() {
    local id tries
    end_watcher
    for id in $(brokers); do
        # A paused process would not hear that it shall end.
        if alive "$id"; then kill -CONT "$(pid "$id")"; kill "$(pid "$id")"; fi
    done
    for id in $(brokers); do
        for ((tries = 0; tries < 100; tries++)); do
            alive "$id" || break
            ((tries % 20 != 10)) || say "up.sh: waiting for broker $id to end"
            sleep 0.1
        done
        # Controllers that have lost their majority do not end by themselves.
        if alive "$id"; then kill -9 "$(pid "$id")"; fi
        rm -f "$dir/$id.pid"
    done
}

wipe() {
    [[ -d $dir ]] || return 0
    [[ -f $dir/brokers && -f $dir/cluster || -z $(ls -A "$dir") ]] || misuse "$dir is no cluster's folder, so it stays"
    for id in $(brokers); do
        if alive "$id"; then kill -9 "$(pid "$id")"; fi
    done
    stop
    rm -rf "$dir"
}

status() {
    local id memory
    [[ -n $(brokers) ]] || say "up.sh: there is no cluster in $dir"
    for id in $(brokers); do
        if alive "$id"; then
            memory=$(awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$(pid "$id")/status")
            echo "broker $id: process $(pid "$id"), $memory MB, $(address "$id")"
        else
            echo "broker $id: down"
        fi
    done
    [[ -z $(brokers) ]] || bootstrap
}

signal() { # signal, ID
    knows "${2:-}"
    alive "$2" || fail "broker $2 is not running"
    kill "-$1" "$(pid "$2")"
    [[ $1 != KILL ]] || while alive "$2"; do sleep 0.02; done
    [[ $1 != STOP ]] || until stands "$(pid "$2")"; do sleep 0.02; done
}

# Every thread is stopped: one that was on a CPU when the signal came may still serve a request.
stands() { # pid
    ! cat "/proc/$1/task/"*/stat 2>/dev/null | sed 's/.*) //' | grep -qv '^[Tt]'
}

tool() { # name, arguments…
    local name=${1:-} class
    case ${name%.sh} in
        kafka-topics) class=org.apache.kafka.tools.TopicCommand ;;
        kafka-configs) class=kafka.admin.ConfigCommand ;;
        kafka-acls) class=org.apache.kafka.tools.AclCommand ;;
        kafka-console-producer) class=org.apache.kafka.tools.ConsoleProducer ;;
        kafka-console-consumer) class=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
        kafka-get-offsets) class=org.apache.kafka.tools.GetOffsetShell ;;
        kafka-dump-log) class=kafka.tools.DumpLogSegments ;;
        kafka-leader-election) class=org.apache.kafka.tools.LeaderElectionCommand ;;
        kafka-reassign-partitions) class=org.apache.kafka.tools.reassign.ReassignPartitionsCommand ;;
        *.*) class=${name//\//.} ;;
        *) misuse "there is no tool '$name'; name one of kafka-topics, kafka-configs, kafka-acls, \
kafka-console-producer, kafka-console-consumer, kafka-get-offsets, kafka-dump-log, kafka-leader-election, \
kafka-reassign-partitions, or a class" ;;
    esac
    shift
    needs_jars
    # Without a configuration the logger says errors only, which is what a tool's reader wants.
    exec java -Xmx256m -XX:TieredStopAtLevel=1 -Djava.awt.headless=true -cp "$jars/*" "$class" "$@"
}

usage() { sed -n '2,/^set -/p' "$self" | sed '$d; s/^# \{0,1\}//'; }

while [[ ${1:-} == --* ]]; do
    case $1 in
        --dir) dir=${2:?--dir needs a folder} ;;
        --owner) owner=${2:?--owner needs a process ID} ;;
        --help) usage; exit 0 ;;
        *) misuse "there is no option $1; see $0 --help" ;;
    esac
    shift 2
done
dir=$(realpath -m "$dir")
jars=$(jars_folder)
# The folder itself stands first for the logger's configuration.
class_path="$dir:$jars/*"

case ${1:-} in
    1 | 3) needs_java; cluster "$1" ;;
    start) knows "${2:-}"; needs_java; needs_jars; launch "$2"; wait_for "$2"; bootstrap ;;
    kill) signal KILL "${2:-}" ;;
    pause) signal STOP "${2:-}" ;;
    continue) signal CONT "${2:-}" ;;
    stop) stop ;;
    wipe) wipe ;;
    status) status ;;
    watch) watch "$2" "$3" ;;
    tool) shift; needs_java; tool "$@" ;;
    help) usage ;;
    *) usage >&2; exit 2 ;;
esac
