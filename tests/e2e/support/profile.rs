//! A node in a pod, under the seccomp profile of tuning/kubernetes.
//!
//! The profile is loaded by this process as a container's runtime loads it, into the thread that starts the node: filters
//! are inherited, and nobody takes them off again.

use super::{Place, Server};
use seccompiler::{TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};
use std::path::Path;

/// A profile as containers' runtimes read it.
pub struct Profile(Value);

impl Profile {
    /// The one of tuning/kubernetes.
    pub fn ours() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/kubernetes/seccomp.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// Without the rules for calls whose name begins like this.
    pub fn without(mut self, prefix: &str) -> Self {
        let named = |rule: &Value| rule["names"][0].as_str().unwrap().starts_with(prefix);
        self.0["syscalls"].as_array_mut().unwrap().retain(|rule| !named(rule));
        self
    }

    /// Without this one call.
    pub fn forbidding(mut self, call: &str) -> Self {
        for rule in self.0["syscalls"].as_array_mut().unwrap() {
            rule["names"].as_array_mut().unwrap().retain(|name| name != call);
        }
        self
    }

    /// The calls that it allows, some of them only with certain arguments.
    pub fn allowed(&self) -> Vec<&str> {
        let rules = self.0["syscalls"].as_array().unwrap().iter();
        rules.flat_map(|rule| rule["names"].as_array().unwrap()).map(|name| name.as_str().unwrap()).collect()
    }

    /// What any other call is answered with.
    pub fn refusal(&self) -> &Value {
        &self.0["defaultErrnoRet"]
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
        let refused = json!({"errno": self.refusal()});
        json!({"mismatch_action": refused, "match_action": "allow", "filter": rules})
    }

    /// Starts a node under it.
    pub fn start(&self, place: &Place) -> Server {
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
pub fn filters_on(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
    line.expect("Linux 5.9 or later").trim().parse().unwrap()
}
