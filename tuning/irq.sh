#!/bin/sh
# Moves the interrupts of network cards, spreads the packets of cards with few queues (RPS), and has each core send by the queue
# whose interrupt it handles (XPS), as `corepost placement` plans it.
#
#   tuning/irq.sh show  [flags of serve]   prints the commands
#   tuning/irq.sh apply [flags of serve]   runs them, as root; what cannot be moved is told and left
#
# irqbalance moves interrupts back within seconds, so apply refuses to work beside it. Nothing survives a reboot: run it from a
# unit, after the network is up. Whether and how a card's send queues are mapped to CPUs before that depends on its driver
# (kernel: networking/scaling), and the driver knows nothing of where interrupts are moved to: so the plan maps them too, unless there
# is only one, for which XPS has no effect.
set -eu

corepost=${COREPOST:-corepost}
what=${1:-show}
[ $# -eq 0 ] || shift

case $what in
show)
    "$corepost" placement --commands "$@"
    ;;
apply)
    if pgrep -x irqbalance >/dev/null 2>&1; then
        echo "irq.sh: irqbalance runs and would undo this: systemctl disable --now irqbalance" >&2
        exit 1
    fi
    failed=0
    commands=$("$corepost" placement --commands "$@")
    IFS='
'
    for command in $commands; do
        if sh -c "$command" 2>/dev/null; then
            echo "done: $command"
        else
            # The lines of some virtual cards are managed by the kernel.
            echo "irq.sh: cannot: $command" >&2
            failed=1
        fi
    done
    exit $failed
    ;;
*)
    echo "irq.sh: $what? show or apply" >&2
    exit 2
    ;;
esac
