//! `corepost tune`: what it says of a host that is built here, what it sets and takes back, and that the files under `tuning/` say
//! what it says.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

use corepost::admin::{self, CLUSTER_FAMILIES, FAMILIES};
use corepost::tune::{Kind, Size, knobs, limits_profile, sysctl_profile, table};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SYSCTLS: &str = "etc/sysctl.d/99-zz-corepost.conf";
const LIMITS: &str = "etc/security/limits.d/99-zz-corepost.conf";
const BEFORE: &str = "etc/sysctl.d/99-zz-corepost.before";

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
            ("fs/nr_open", "1048576"),
            ("net/core/somaxconn", "128"),
            ("net/core/netdev_max_backlog", "500"),
            ("net/ipv4/tcp_max_syn_backlog", "128"),
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
        "run: a line `* hard nofile 524288` in /etc/security/limits.d, or systemd's LimitNOFILE=",
        "run: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        "performance/powersave   wanted: performance",
        "why: connections that wait to be accepted",
        "net.netfilter.nf_conntrack_max",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let large = host.json(&[]);
    assert_eq!(state(&large, "net.ipv4.tcp_syncookies"), "well");
    assert_eq!(state(&large, "net.ipv4.tcp_max_syn_backlog"), "free", "with syncookies it does not count");
    assert_eq!(state(&large, "net.netfilter.nf_conntrack_max"), "absent");
    assert_eq!(state(&large, "locked memory"), "well");
    assert_eq!(state(&large, "deepest C-state (µs)"), "free", "nobody asks for it there");
    let huge = host.json(&["--size", "huge"]);
    assert_eq!(state(&huge, "deepest C-state (µs)"), "mend", "on CPU 0 it is on");
    assert_eq!(host.json(&["--max-connections", "5000"])["size"], "small");
}

/// The lines of a file of ours, but for its head.
fn lines(text: &str) -> Vec<&str> {
    text.lines().skip(1).collect()
}

fn succeeds(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(output));
}

fn fails(output: &Output, because: &str) {
    assert!(output.status.code() == Some(1) && text(output).contains(because), "{because}: {}", text(output));
}

#[test]
fn what_is_applied_holds_and_is_taken_back_to_what_was_there_before_the_first_time() {
    let host = Bad::new("applied");
    let applied = host.tune(&["--apply"]);
    succeeds(&applied);
    assert!(text(&applied).contains("set net.core.somaxconn = 4096"), "{}", text(&applied));
    let large = host.json(&[]);
    for setting in ["net.core.somaxconn", "net.core.netdev_max_backlog"] {
        assert_eq!(state(&large, setting), "well", "{setting}");
    }
    assert_eq!(state(&large, "kernel.io_uring_disabled"), "mend", "somebody may have meant it");
    assert_eq!(
        state(&large, "net.ipv4.tcp_mem"),
        "mend",
        "how much there is to share is an operator's to say"
    );
    assert_eq!(state(&large, "transparent huge pages"), "mend", "that is a command to run");
    let sysctls = host.read(SYSCTLS);
    assert_eq!(lines(&sysctls), ["net.core.somaxconn = 4096", "net.core.netdev_max_backlog = 10000"]);
    // memlock is better than ours, and systemd grants more files than the 300,000 that are wanted.
    assert_eq!(lines(&host.read(LIMITS)), ["* hard nofile 524288", "root hard nofile 524288"]);
    // For more sockets, and then back to what was there before both.
    succeeds(&host.tune(&["--apply", "--size", "huge"]));
    assert_eq!(host.read("proc/sys/net/core/netdev_max_backlog"), "30000");
    assert!(host.read(SYSCTLS).contains("net.core.somaxconn = 4096"), "what was set before stays set");
    assert!(
        host.read(SYSCTLS).contains("fs.nr_open = 4194304"),
        "what is granted needs it at the next boot, too"
    );
    assert_eq!(lines(&host.read(LIMITS)), ["* hard nofile 3000000", "root hard nofile 3000000"]);
    succeeds(&host.tune(&["--revert"]));
    for (name, before) in [
        ("fs/nr_open", "1048576"),
        ("net/core/somaxconn", "128"),
        ("net/core/netdev_max_backlog", "500"),
        ("kernel/io_uring_disabled", "2"),
    ] {
        assert_eq!(host.read(&format!("proc/sys/{name}")), before, "{name}");
    }
    assert_eq!(host.read(SYSCTLS) + &host.read(LIMITS) + &host.read(BEFORE), "");
    assert_eq!(text(&host.tune(&["--revert"])), "nothing to do\n");
}

/// A limit of open files above `fs.nr_open` lets nobody log in, root included.
#[test]
fn who_applies_for_fewer_sockets_later_loses_nothing_and_everybody_can_log_in() {
    let host = Bad::new("fewer");
    succeeds(&host.tune(&["--apply", "--size", "huge"]));
    host.write("proc/sys/net/ipv4/tcp_syncookies", "0\n");
    succeeds(&host.tune(&["--apply", "--size", "small"]));
    let sysctls = host.read(SYSCTLS);
    for line in ["fs.nr_open = 4194304", "net.core.netdev_max_backlog = 30000", "net.ipv4.tcp_syncookies = 1"]
    {
        assert!(sysctls.contains(line), "{line}: {sysctls}");
    }
    assert_eq!(lines(&host.read(LIMITS)), ["* hard nofile 3000000", "root hard nofile 3000000"]);
}

#[test]
fn nobody_is_granted_less_than_before_nor_more_than_the_kernel_gives() {
    let host = Bad::new("granted");
    host.write("etc/security/limits.conf", "# * hard nofile 1\nroot - nofile 900000\nbob hard nofile 5\n");
    succeeds(&host.tune(&["--apply"]));
    assert_eq!(lines(&host.read(LIMITS)), ["* hard nofile 900000", "root hard nofile 900000"]);

    let host = Bad::new("boundless");
    host.write("etc/security/limits.conf", "* hard nofile unlimited\n");
    succeeds(&host.tune(&["--apply"]));
    assert_eq!(host.read(LIMITS), "", "there is nothing to grant");

    let host = Bad::new("given");
    // It cannot be set here.
    fs::remove_file(host.0.join("proc/sys/fs/nr_open")).unwrap();
    fails(
        &host.tune(&["--apply", "--size", "huge"]),
        "cannot grant 3000000 open files, for fs.nr_open is 1048576",
    );
    assert_eq!(lines(&host.read(LIMITS)), ["* hard nofile 1048576", "root hard nofile 1048576"]);
}

#[test]
fn files_of_somebody_else_are_neither_written_over_nor_taken_away() {
    for file in [SYSCTLS, LIMITS, BEFORE] {
        let host = Bad::new("foreign");
        host.write(file, "net.core.somaxconn = 1024\n");
        fails(&host.tune(&["--apply"]), "give it another name, or remove it; nothing was changed");
        assert_eq!(host.read("proc/sys/net/core/somaxconn"), "128");
        let _ = host.tune(&["--revert"]);
        assert_eq!(host.read(file), "net.core.somaxconn = 1024", "{file}");
    }
}

#[test]
fn what_the_host_refuses_is_told_and_hinders_nothing_else() {
    let host = Bad::new("partly");
    // A sysctl that not even root may write, and that says another number than the one that is wanted.
    let cookies = host.0.join("proc/sys/net/ipv4/tcp_syncookies");
    fs::remove_file(&cookies).unwrap();
    std::os::unix::fs::symlink("/proc/sys/kernel/ngroups_max", &cookies).unwrap();
    let applied = host.tune(&["--apply"]);
    fails(&applied, "tcp_syncookies may not be written");
    assert!(text(&applied).contains("--revert takes back"), "{}", text(&applied));
    assert_eq!(host.read("proc/sys/net/core/netdev_max_backlog"), "10000", "it comes after");
    assert!(host.read(SYSCTLS).contains("net.core.netdev_max_backlog = 10000"));
    assert_ne!(host.read(LIMITS), "");
    succeeds(&host.tune(&["--revert"]));
    assert_eq!(host.read("proc/sys/net/core/netdev_max_backlog"), "500");
}

#[test]
fn what_somebody_else_has_set_since_is_left_and_told() {
    let host = Bad::new("since");
    succeeds(&host.tune(&["--apply"]));
    host.write("proc/sys/net/core/somaxconn", "65535\n");
    let reverted = host.tune(&["--revert"]);
    succeeds(&reverted);
    assert!(text(&reverted).contains("left as it is: net.core.somaxconn = 65535"), "{}", text(&reverted));
    assert_eq!(host.read("proc/sys/net/core/somaxconn"), "65535");
    assert_eq!(host.read("proc/sys/net/core/netdev_max_backlog"), "500");
}

#[test]
fn a_record_that_cannot_be_read_changes_nothing_and_says_what_to_do() {
    let host = Bad::new("damaged");
    succeeds(&host.tune(&["--apply"]));
    host.write(BEFORE, "");
    for what in ["--apply", "--revert"] {
        fails(&host.tune(&[what]), "set back by hand what /etc/sysctl.d/99-zz-corepost.conf and");
    }
    assert!(host.read(LIMITS).contains("nofile") && host.read(SYSCTLS).contains("somaxconn"));
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
    let profiles = |size: Size| {
        let path = |what: &str| tuning.join(format!("profiles/{what}-{}.conf", size.as_str()));
        [(path("90-corepost"), sysctl_profile(&knobs, size)), (path("limits"), limits_profile(&knobs, size))]
    };
    let mut files: Vec<(PathBuf, String)> = Size::ALL.into_iter().flat_map(profiles).collect();
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

/// Whether that is the unit of the axis on which a panel draws a query.
fn is_in_seconds(panel: &Value, target: &Value) -> bool {
    let field = &panel["fieldConfig"];
    let own =
        field["overrides"].as_array().unwrap().iter().find(|it| it["matcher"]["options"] == target["refId"]);
    let own = own.and_then(|it| it["properties"].as_array().unwrap().iter().find(|it| it["id"] == "unit"));
    own.map_or(&field["defaults"]["unit"], |it| &it["value"]) == "s"
}

/// Each query of the dashboard is about something that a node exports, and by labels that it has.
#[test]
fn the_dashboard_asks_for_what_nodes_export() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets =
        panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten().map(move |it| (panel, it)));
    let queries: Vec<(&str, bool)> = targets
        .map(|(panel, target)| (target["expr"].as_str().unwrap(), is_in_seconds(panel, target)))
        .collect();
    let families: Vec<_> = FAMILIES.iter().chain(CLUSTER_FAMILIES).collect();
    for &(query, is_in_seconds) in &queries {
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
        // Records and their bytes are no sum.
        let is_of_one_unit = query.contains("unit=\"") || by.split(", ").any(|label| label == "unit");
        assert!(is_of_one_unit || !family.labels.contains(&"unit"), "{query}");
        assert!(!is_in_seconds || name.ends_with("_seconds"), "drawn on an axis in seconds: {query}");
    }
    // Whatever is exported is shown, but for what is looked up when something else is wrong.
    let unseen =
        families.iter().filter(|family| !queries.iter().any(|(query, _)| query.contains(family.name)));
    let unseen: Vec<_> = unseen.map(|family| family.name).collect();
    assert!(unseen.len() <= 10, "{unseen:?}");
}

/// What is told of metrics elsewhere is about those that a node exports.
#[test]
fn what_is_written_of_metrics_names_those_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "ARCHITECTURE.md", "kafka/README.md", "tuning/README.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for (at, _) in text.match_indices("`corepost_") {
            let name = text[at + 1..].split(|it: char| !it.is_ascii_lowercase() && it != '_').next().unwrap();
            // Which is no family's, but the program's own.
            let is_build = name == "corepost_build_info";
            let is_there =
                is_build || FAMILIES.iter().chain(CLUSTER_FAMILIES).any(|family| family.name == name);
            assert!(is_there, "{page}: no node exports {name}");
        }
    }
}

/// A file of this repository.
fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The limits of the unit are those of a large host.
#[test]
fn the_unit_of_systemd_agrees_with_the_knobs() {
    let unit = source("tuning/corepost.service");
    let knobs = knobs();
    let limit = |name: &str| {
        let knob = knobs.iter().find(|knob| knob.kind == Kind::Limit && knob.name == name).unwrap();
        knob.wanted(Size::Large).unwrap().parse::<u64>().unwrap()
    };
    assert!(unit.contains(&format!("LimitNOFILE={}\n", limit("open files"))));
    assert!(unit.contains(&format!("LimitMEMLOCK={}M\n", limit("locked memory") >> 20)));
}

/// What the unit sets this to, once.
fn in_unit(name: &str) -> String {
    let unit = source("tuning/corepost.service");
    let values: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect();
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0].to_owned()
}

/// Beyond it systemd kills sessions that were not told yet.
#[test]
fn the_unit_of_systemd_gives_a_drain_its_time() {
    use corepost::config;

    let serve = source("src/cli/serve.rs");
    let grace = serve.split("const GRACE: Duration = Duration::from_secs(").nth(1).unwrap();
    let grace_s: u64 = grace.split(')').next().unwrap().parse().unwrap();
    let window = config::all_settings().find(|it| it.key == "drain_window").unwrap().default.unwrap();
    let window_ms = config::duration(window).unwrap();
    let given_s: u64 = in_unit("TimeoutStopSec").parse().unwrap();
    assert!(given_s * 1_000 > window_ms + grace_s * 1_000, "{given_s} s for {window} and {grace_s} s");
    let window_s = window_ms / 1_000;
    for told in [format!("drain_window, {window_s} s unless"), format!("{grace_s} s for what is under way")] {
        assert!(source("tuning/corepost.service").contains(&told), "{told}");
    }
}

/// A node that was drained ends with 0 and stays away; what only the operator mends is not tried again and again.
#[test]
fn the_unit_of_systemd_starts_again_what_may_work_then() {
    use corepost::cli::Exit;

    assert_eq!((in_unit("Restart"), Exit::Done as u8), ("on-failure".into(), 0));
    let kept_away = [Exit::Usage, Exit::DataDirectory].map(|exit| (exit as u8).to_string());
    assert_eq!(in_unit("RestartPreventExitStatus"), kept_away.join(" "));
}

#[test]
fn the_user_of_the_unit_is_made() {
    let (user, home) = (in_unit("User"), in_unit("WorkingDirectory"));
    assert_eq!(in_unit("Group"), user, "`u` makes a group of the same name");
    let made = format!("u {user} - \"Corepost\" {home}\n");
    assert!(source("tuning/corepost.sysusers").ends_with(&made), "{made}");
}
