//! `corepost tune`: what it says of a host that is built here, what it sets and takes back, and that the files under `tuning/` say
//! what it says.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

use corepost::admin::{self, CLUSTER_FAMILIES, FAMILIES};
use corepost::tune::{Kind, Size, knobs, sysctl_profile, table};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SYSCTLS: &str = "etc/sysctl.d/90-corepost.conf";
const LIMITS: &str = "etc/security/limits.d/90-corepost.conf";

/// A host of files, badly set.
struct Bad(PathBuf);

impl Bad {
    fn new(name: &str) -> Self {
        let host = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tune-{name}")));
        let _ = fs::remove_dir_all(&host.0);
        host.write("proc/meminfo", "MemTotal:       33554432 kB\nMemFree: 1 kB\n");
        host.write(
            "proc/self/limits",
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max open files            1024                 4096                 files     \n\
             Max locked memory         unlimited            unlimited            bytes     \n",
        );
        for (name, value) in [
            ("net/core/somaxconn", "128"),
            ("net/ipv4/tcp_mem", "1\t2\t3"),
            ("net/ipv4/tcp_syncookies", "1"),
            ("kernel/io_uring_disabled", "2"),
            // Better than any of ours.
            ("fs/file-max", "9223372036854775807"),
            ("net/ipv4/ip_local_port_range", "32768\t60999"),
        ] {
            host.write(&format!("proc/sys/{name}"), &format!("{value}\n"));
        }
        host.write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
        for (cpu, governor) in [(0, "performance"), (1, "powersave")] {
            host.write(&format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"), governor);
            for (state, latency, off) in [(0, 2, 0), (1, 90, 0), (2, 600, cpu)] {
                let dir = format!("sys/devices/system/cpu/cpu{cpu}/cpuidle/state{state}");
                host.write(&format!("{dir}/latency"), &format!("{latency}\n"));
                host.write(&format!("{dir}/disable"), &format!("{off}\n"));
            }
        }
        host
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_default().trim().to_owned()
    }

    fn tune(&self, more: &[&str]) -> Output {
        tune(&[&["--root", self.0.to_str().unwrap()], more].concat())
    }

    fn json(&self, more: &[&str]) -> Value {
        serde_json::from_slice(&self.tune(&[&["--json"], more].concat()).stdout).unwrap()
    }
}

impl Drop for Bad {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tune(arguments: &[&str]) -> Output {
    let program = std::env::var_os("TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_corepost").into());
    Command::new(program).arg("tune").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Of each setting whether it is well.
fn state(told: &Value, setting: &str) -> String {
    let all = told["settings"].as_array().unwrap();
    let found = all.iter().find(|it| it["setting"] == setting).unwrap_or_else(|| panic!("{setting}: {told}"));
    found["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_badly_set_host_is_told_what_why_and_how() {
    let host = Bad::new("told");
    let output = host.tune(&[]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output);
    for part in [
        "a large host, up to 250,000 sockets (this host has 32 GiB of memory; --size chooses otherwise)",
        "run: sysctl -w net.core.somaxconn=4096",
        "run: sysctl -w net.ipv4.tcp_mem=\"196608 262144 524288\"",
        "run: a line `* hard nofile 300000` in /etc/security/limits.d, or systemd's LimitNOFILE=",
        "run: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        "performance/powersave   wanted: performance",
        "why: connections that wait to be accepted",
        "net.netfilter.nf_conntrack_max",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let large = host.json(&[]);
    assert_eq!(state(&large, "net.ipv4.tcp_syncookies"), "well");
    assert_eq!(state(&large, "net.netfilter.nf_conntrack_max"), "absent");
    assert_eq!(state(&large, "locked memory"), "well");
    assert_eq!(state(&large, "deepest C-state (µs)"), "free", "nobody asks for it there");
    let huge = host.json(&["--size", "huge"]);
    assert_eq!(state(&huge, "deepest C-state (µs)"), "mend", "on CPU 0 it is on");
    assert_eq!(host.json(&["--max-connections", "5000"])["size"], "small");
}

#[test]
fn what_is_applied_holds_and_is_taken_back_to_what_was_there_before_the_first_time() {
    let host = Bad::new("applied");
    let applied = host.tune(&["--apply"]);
    assert_eq!(applied.status.code(), Some(0), "{}", text(&applied));
    assert!(text(&applied).contains("set net.core.somaxconn = 4096"), "{}", text(&applied));
    let large = host.json(&[]);
    for setting in ["net.core.somaxconn", "net.ipv4.tcp_mem"] {
        assert_eq!(state(&large, setting), "well", "{setting}");
    }
    assert_eq!(state(&large, "kernel.io_uring_disabled"), "mend", "somebody may have meant it");
    assert_eq!(state(&large, "transparent huge pages"), "mend", "that is a command to run");
    let (sysctls, limits) = (host.read(SYSCTLS), host.read(LIMITS));
    let lines = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&sysctls), ["net.core.somaxconn = 4096", "net.ipv4.tcp_mem = 196608 262144 524288"]);
    assert_eq!(
        lines(&limits),
        ["* hard nofile 300000", "root hard nofile 300000"],
        "memlock is better than ours"
    );
    // For more sockets, and then back to what was there before both.
    assert_eq!(host.tune(&["--apply", "--size", "huge"]).status.code(), Some(0));
    assert_eq!(host.read("proc/sys/net/ipv4/tcp_mem"), "786432 1048576 2097152");
    assert!(host.read(SYSCTLS).contains("net.core.somaxconn = 4096"), "what was set before stays set");
    let reverted = host.tune(&["--revert"]);
    assert_eq!(reverted.status.code(), Some(0), "{}", text(&reverted));
    assert_eq!(host.read("proc/sys/net/core/somaxconn"), "128");
    assert_eq!(host.read("proc/sys/net/ipv4/tcp_mem"), "1 2 3");
    assert_eq!(host.read("proc/sys/kernel/io_uring_disabled"), "2");
    assert_eq!(
        host.read("etc/sysctl.d/90-corepost.conf") + &host.read("etc/security/limits.d/90-corepost.conf"),
        ""
    );
    assert_eq!(text(&host.tune(&["--revert"])), "nothing to do\n");
}

#[test]
fn what_cannot_be_written_is_told() {
    let host = Bad::new("refused");
    host.write("etc/sysctl.d", "a file where a folder should be");
    let refused = host.tune(&["--apply"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("etc/sysctl.d"), "{}", text(&refused));
    assert_eq!(
        host.read("proc/sys/net/core/somaxconn"),
        "128",
        "nothing is changed that could not be taken back"
    );
}

#[test]
fn this_machine_is_judged() {
    let told: Value = serde_json::from_slice(&tune(&["--json", "--size", "small"]).stdout).unwrap();
    let uring = told["settings"].as_array().unwrap().iter().find(|it| it["setting"] == "io_uring").unwrap();
    let works = corepost::net::choose(corepost::net::Wish::Uring).is_ok();
    assert_eq!(uring["state"], if works { "well" } else { "mend" }, "{uring}");
    let files = told["settings"].as_array().unwrap().iter().find(|it| it["setting"] == "open files").unwrap();
    assert!(files["now"].is_string(), "{files}");
}

/// `COREPOST_TEST=write cargo test --test tuning` writes them anew.
#[test]
fn the_files_under_tuning_say_what_tune_says() {
    let (tuning, knobs) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning"), knobs());
    let mut files: Vec<(PathBuf, String)> = Size::ALL
        .map(|size| {
            (
                tuning.join(format!("profiles/90-corepost-{}.conf", size.as_str())),
                sysctl_profile(&knobs, size),
            )
        })
        .into();
    let readme = fs::read_to_string(tuning.join("README.md")).unwrap();
    let (begin, end) = ("<!-- knobs -->\n", "<!-- end -->\n");
    let (before, rest) = readme.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    files.push((tuning.join("README.md"), format!("{before}{begin}{}{end}{after}", table(&knobs))));
    for (path, text) in files {
        if std::env::var("COREPOST_TEST").as_deref() == Ok("write") {
            fs::write(&path, &text).unwrap();
        }
        let is = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            is == text,
            "{} is not what tuning/knobs.toml says; COREPOST_TEST=write writes it",
            path.display()
        );
    }
}

/// Each query of the dashboard is about something that a node exports, and by labels that it has.
#[test]
fn the_dashboard_asks_for_what_nodes_export() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let queries: Vec<&str> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let families: Vec<_> = FAMILIES.iter().chain(CLUSTER_FAMILIES).collect();
    for query in &queries {
        let (_, rest) = query.split_once("corepost_").unwrap_or_else(|| panic!("{query}"));
        let name = format!("corepost_{}", rest.split('{').next().unwrap());
        let name = name.strip_suffix("_bucket").unwrap_or(&name);
        let family = families.iter().find(|family| family.name == name);
        let family = family.unwrap_or_else(|| panic!("no node exports {name}: {query}"));
        assert_eq!(
            query.contains("histogram_quantile"),
            matches!(family.kind, admin::Kind::Sizes | admin::Kind::Seconds),
            "{query}"
        );
        let by = query.split("by (").nth(1).unwrap().split(')').next().unwrap();
        for label in by.split(", ").filter(|label| !["le", "job", "instance"].contains(label)) {
            assert!(family.labels.contains(&label), "{name} has no label {label}");
        }
    }
    // Whatever is exported is shown, but for what is looked up when something else is wrong.
    let unseen = families.iter().filter(|family| !queries.iter().any(|query| query.contains(family.name)));
    let unseen: Vec<_> = unseen.map(|family| family.name).collect();
    assert!(unseen.len() <= 10, "{unseen:?}");
}

/// The limits of the unit are those of a large host.
#[test]
fn the_unit_of_systemd_agrees_with_the_knobs() {
    let unit =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/corepost.service")).unwrap();
    let knobs = knobs();
    let limit = |name: &str| {
        let knob = knobs.iter().find(|knob| knob.kind == Kind::Limit && knob.name == name).unwrap();
        knob.wanted(Size::Large).unwrap().parse::<u64>().unwrap()
    };
    assert!(unit.contains(&format!("LimitNOFILE={}\n", limit("open files"))));
    assert!(unit.contains(&format!("LimitMEMLOCK={}M\n", limit("locked memory") >> 20)));
}
