//! In a pod, under the seccomp profile of tuning/kubernetes.
//!
//! The profile is loaded by this process as a container's runtime loads it, into the thread that starts the node: filters
//! are inherited, and nobody takes them off again.
#![cfg(target_arch = "x86_64")]

use crate::support::{Place, Server, Session};
use corepost::net::Wish;
use seccompiler::{TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};
use std::path::Path;

/// A profile as containers' runtimes read it.
struct Profile(Value);

impl Profile {
    /// The one of tuning/kubernetes.
    fn ours() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/kubernetes/seccomp.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// Without the rules for calls whose name begins like this.
    fn without(mut self, prefix: &str) -> Self {
        let named = |rule: &Value| rule["names"][0].as_str().unwrap().starts_with(prefix);
        self.0["syscalls"].as_array_mut().unwrap().retain(|rule| !named(rule));
        self
    }

    /// As seccompiler reads it: rules of one call are alternatives, conditions of one rule hold together.
    fn filter(&self) -> Value {
        let mut rules = Vec::new();
        for rule in self.0["syscalls"].as_array().unwrap() {
            assert_eq!(rule["action"], "SCMP_ACT_ALLOW");
            for name in rule["names"].as_array().unwrap() {
                let conditions = rule["args"].as_array().map(|args| args.iter().map(condition).collect());
                rules.push(match conditions {
                    None => json!({"syscall": name}),
                    Some(conditions) => json!({"syscall": name, "args": Value::Array(conditions)}),
                });
            }
        }
        assert_eq!(self.0["defaultAction"], "SCMP_ACT_ERRNO");
        let refused = json!({"errno": self.0["defaultErrnoRet"]});
        json!({"mismatch_action": refused, "match_action": "allow", "filter": rules})
    }

    /// Starts a node under it.
    fn start(&self, place: &Place) -> Server {
        let filters = json!({"node": self.filter()}).to_string();
        let program =
            compile_from_json(filters.as_bytes(), TargetArch::x86_64).unwrap().remove("node").unwrap();
        std::thread::scope(|scope| {
            let started = scope.spawn(|| {
                apply_filter(&program).unwrap();
                place.start()
            });
            started.join().unwrap()
        })
    }
}

/// What a rule asks of an argument.
fn condition(arg: &Value) -> Value {
    let (op, value) = match arg["op"].as_str().unwrap() {
        "SCMP_CMP_EQ" => (json!("eq"), &arg["value"]),
        "SCMP_CMP_MASKED_EQ" => (json!({"masked_eq": arg["value"]}), &arg["valueTwo"]),
        other => panic!("no story for {other}"),
    };
    json!({"index": arg["index"], "type": "qword", "op": op, "val": value})
}

/// How many filters are on a process.
fn filters_on(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
    line.expect("Linux 5.9 or later").trim().parse().unwrap()
}

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

/// What hides it answers as a kernel that has no such call: glibc tries `clone3` first, and takes `clone` then.
#[test]
fn what_the_profile_refuses_does_not_exist() {
    let profile = Profile::ours();
    assert_eq!(profile.0["defaultErrnoRet"], 38);
    let names: Vec<&Value> = profile.0["syscalls"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["names"].as_array().unwrap())
        .collect();
    for absent in ["clone3", "ptrace", "mount", "bpf", "setns", "unshare", "process_vm_readv"] {
        assert!(!names.contains(&&json!(absent)), "{absent} is allowed");
    }
}
