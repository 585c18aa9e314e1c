//! In a pod, under the seccomp profile of tuning/kubernetes.
#![cfg(target_arch = "x86_64")]

use crate::support::{Place, Profile, Server, Session, filters_on};
use corepost::net::Wish;

/// Clients chat, and the node ends as a pod does.
fn live_and_end(server: Server) {
    assert_eq!(filters_on(server.pid()), filters_on(std::process::id()) + 1);
    let mut alice = Session::open(server.addr, "client=alice");
    let mut bob = Session::open(server.addr, "client=bob");
    alice.deliver("bob", "1", "hi from a pod");
    assert_eq!(bob.bodies(1), ["hi from a pod"]);
    assert_eq!(server.api().get("/v1/clients/bob/messages?from=start").status, 200);
    drop((alice, bob));
    server.stop();
}

#[test]
fn a_node_under_the_profile_runs_on_io_uring() {
    if let Err(refused) = corepost::net::choose(Wish::Uring) {
        eprintln!("not run: {refused}");
        return;
    }
    let place = Place::new("seccomp").with("driver", "auto");
    let server = Profile::ours().start(&place);
    assert!(server.log().contains("driver=io_uring"), "{}", server.log());
    live_and_end(server);
}

#[test]
fn a_node_whose_profile_hides_io_uring_runs_on_epoll_and_says_so() {
    let place = Place::new("seccomp-epoll").with("driver", "auto");
    let server = Profile::ours().without("io_uring_").start(&place);
    let log = server.log();
    assert!(log.contains("seccomp profile hides it") && log.contains("Running on epoll"), "{log}");
    live_and_end(server);
}

#[test]
fn a_node_whose_profile_forbids_pinning_runs_unpinned_and_says_so() {
    let place = Place::new("seccomp-unpinned").with("cpus", "auto");
    let server = Profile::ours().forbidding("sched_setaffinity").start(&place);
    let log = server.log();
    assert!(log.contains("a core cannot be kept to its CPU") && log.contains("sched_setaffinity"), "{log}");
    live_and_end(server);
}

/// What hides it answers as a kernel that has no such call: glibc tries `clone3` first, and takes `clone` then.
#[test]
fn what_the_profile_refuses_does_not_exist() {
    let profile = Profile::ours();
    assert_eq!(profile.refusal(), 38);
    let allowed = profile.allowed();
    for absent in ["clone3", "ptrace", "mount", "bpf", "setns", "unshare", "process_vm_readv"] {
        assert!(!allowed.contains(&absent), "{absent} is allowed");
    }
}
