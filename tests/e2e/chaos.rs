//! The host fails: no descriptors, no room, another time, half of the CPU, no more memory. What was acknowledged is there
//! afterwards, who was connected stays, and the log says what it was. (README.md, *Hard use*.)
//!
//! What needs root, or a package of Debian's, runs only with `COREPOST_TEST=all`.

use crate::support::{Api, Kept, Place, Server, Session, eventually, eventually_in, send};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Whether everything is to be run.
fn is_asked_for() -> bool {
    let asked = std::env::var("COREPOST_TEST").as_deref() == Ok("all");
    if !asked {
        eprintln!("not run: set COREPOST_TEST=all to change the host's clock, disk and memory");
    }
    asked
}

/// Runs a command that must do what it is told.
fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    let status = status.unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// The server, started by another program.
fn by(program: &str, arguments: &[&str], serve: &Command) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(serve.get_program()).args(serve.get_args()).stdin(Stdio::null());
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Allows a process so many descriptors from now on; the kernel closes none.
fn allow_descriptors(server: &Server, most: usize) {
    run("prlimit", &["--pid", &server.pid().to_string(), &format!("--nofile={most}:")]);
}

#[test]
fn without_a_descriptor_nobody_new_comes_and_everybody_else_goes_on() {
    let place = Place::new("chaos-accept").with("cores", 1);
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    let mut bob = Session::open(server.addr, "client=bob");
    alice.deliver("bob", "before", 0);
    // Those of the standard streams: of all others none is given any more.
    allow_descriptors(&server, 3);
    std::thread::scope(|scope| {
        // The kernel connects it; that it is accepted is another thing.
        let carol = scope.spawn(|| Session::open(server.addr, "client=carol&from=start"));
        eventually("it says what it lacks", || {
            server.log().contains("cannot accept more connections for now")
        });
        for n in 0..200 {
            alice.deliver("bob", &n.to_string(), n);
        }
        alice.deliver("carol", "for carol", "you are late");
        allow_descriptors(&server, 1_000);
        let mut carol = carol.join().unwrap();
        assert_eq!(carol.bodies(1), ["you are late"]);
    });
    let numbers: Vec<Value> = (0..200).map(Value::from).collect();
    assert_eq!(bob.bodies(201)[1..], numbers);
    assert!(server.metrics().sum("corepost_accept_pauses_total", "") >= 1.0);
}

#[test]
fn with_few_descriptors_it_serves_as_many_as_fit_and_says_so_at_the_start() {
    let place = Place::new("chaos-few").with("cores", 1);
    let server = place.run(by("prlimit", &["--nofile=256:256"], &place.serve()));
    assert!(
        server.log().contains("the limit of open files allows fewer connections; raise it"),
        "{}",
        server.log()
    );
    let mut sessions = Vec::new();
    let refused = loop {
        match crate::support::Knock::new(&format!("client=c{}", sessions.len())).enter(server.addr) {
            Ok(session) => sessions.push(session),
            Err(refused) => break refused,
        }
    };
    assert!(refused.contains("503"), "{refused}");
    assert!((32..256).contains(&sessions.len()), "{} sessions", sessions.len());
    let last = sessions.len() - 1;
    sessions[0].deliver(&format!("c{last}"), "1", "there is room for us");
    assert_eq!(sessions[last].bodies(1), ["there is room for us"]);
}

#[test]
fn where_nothing_can_be_written_lines_are_lost_and_nothing_else() {
    let place = Place::new("chaos-log").with("log-level", "debug");
    // As a log on a disk that is full, and one whose reader has died.
    for stderr in ["2>/dev/full", "2> >(exec true)"] {
        let command = by("bash", &["-c", &format!("exec \"$@\" {stderr}"), "bash"], &place.serve());
        let server = place.run(command);
        let (mut alice, mut bob) =
            (Session::open(server.addr, "client=alice"), Session::open(server.addr, "client=bob"));
        alice.deliver("bob", stderr, stderr);
        assert_eq!(bob.bodies(1), [stderr]);
        eventually("what is lost is counted", || {
            server.metrics().sum("corepost_log_lines_left_out_total", "") >= 1.0
        });
        drop((alice, bob));
        server.stop();
    }
}

/// A file system in memory, for as long as the value lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Place, mebibytes: usize) -> Self {
        let path = place.path("small");
        fs::create_dir_all(&path).unwrap();
        let size = format!("size={mebibytes}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "corepost-chaos", &path.display().to_string()]);
        Self(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The server may still be about to end.
        run("umount", &["--lazy", &self.0.display().to_string()]);
    }
}

#[test]
fn a_disk_that_is_full_refuses_sends_and_nothing_else_until_there_is_room() {
    if !is_asked_for() {
        return;
    }
    let place = Place::new("chaos-disk");
    let disk = SmallDisk::mount(&place, 256);
    let ballast = disk.0.join("somebody-else's");
    fs::write(&ballast, vec![1; 128 << 20]).unwrap();
    let place = place.with("data", disk.0.join("data").display()).with("cores", 1);
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    let body = "x".repeat(60_000);
    let mut stored = 0;
    let refused = loop {
        let id = format!("m-{stored}");
        alice.say(&send(&format!("r{}", stored % 100), &id, body.as_str()));
        let answer = alice.answer(&id);
        if answer["type"] == "error" {
            break answer;
        }
        stored += 1;
        assert!(stored < 10_000, "it is never full");
    };
    assert_eq!(
        (&refused["code"], refused["retry_after_ms"].is_u64()),
        (&json!("unavailable"), true),
        "{refused}"
    );
    let ready = Api::connect(server.admin).get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.json().to_string().contains("disk_full"), "{}", ready.json());
    let missed =
        |n: usize| Session::open(server.addr, &format!("client=r{n}&from=start")).welcome["missed"].clone();
    let expected = |n: usize| (stored + 99 - n) / 100;
    assert_eq!(missed(0), expected(0), "what was acknowledged is read");
    fs::remove_file(&ballast).unwrap();
    eventually_in("it takes messages again by itself", Duration::from_secs(30), || {
        alice.say(&send("late", "late", 1));
        alice.answer("late")["type"] == "ack"
    });
    drop(alice);
    server.stop();
    let server = place.start();
    let all: usize = (0..100)
        .map(|n| {
            let missed =
                Session::open(server.addr, &format!("client=r{n}&from=start")).welcome["missed"].as_u64();
            missed.unwrap() as usize
        })
        .sum();
    assert_eq!(all, stored, "nothing that was acknowledged is lost by it");
    server.kill();
}

/// Debian's libfaketime, which lies to one process about the time of day.
fn faketime() -> PathBuf {
    let lib = fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let found = lib.map(|it| it.path().join("faketime/libfaketime.so.1")).find(|path| path.is_file());
    found.expect("this test needs libfaketime: apt-get install -y --no-install-recommends faketime")
}

#[test]
fn a_clock_that_jumps_moves_no_message_and_ends_no_session() {
    if !is_asked_for() {
        return;
    }
    let place = Place::new("chaos-clock").with("retention", "7d");
    let start = |clock: &Path| {
        let mut command = place.serve();
        command.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", clock);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        place.run(command)
    };
    // A file is replaced in one act: the process must not read half of it.
    let jump = |by: &str| {
        fs::rename(place.write("clock.new", by), place.path("clock")).unwrap();
        place.path("clock")
    };
    let server = start(&jump("+0"));
    let (mut alice, mut bob) =
        (Session::open(server.addr, "client=alice"), Session::open(server.addr, "client=bob"));
    let mut at = vec![alice.deliver("bob", "now", 0)["at"].as_u64().unwrap()];
    let was_early = bob.cursor.clone();
    for (n, by) in ["+3600", "-7200", "+86400", "-86400"].iter().enumerate() {
        jump(by);
        at.push(alice.deliver("bob", by, n + 1)["at"].as_u64().unwrap());
    }
    assert!(at.is_sorted(), "time goes back in a mailbox: {at:?}");
    assert!(at[3] - at[0] > 80_000_000, "the jumps were not noticed: {at:?}");
    assert_eq!(bob.bodies(5), [0, 1, 2, 3, 4]);
    let mut again = Session::open(server.addr, &format!("client=bob&cursor={was_early}"));
    assert_eq!((&again.welcome["resumed"], &again.welcome["missed"]), (&json!(true), &json!(5)));
    assert_eq!(again.replay(), [0, 1, 2, 3, 4]);
    let cursor = bob.cursor.clone();
    drop((alice, bob, again));
    server.stop();
    // A host that starts with its clock a day behind.
    let server = start(&jump("-86400"));
    let mut alice = Session::open(server.addr, "client=alice");
    let later = alice.deliver("bob", "after", 5)["at"].as_u64().unwrap();
    assert!(later >= *at.last().unwrap(), "{later} after {at:?}");
    server.settle();
    let mut bob = Session::open(server.addr, &format!("client=bob&cursor={cursor}"));
    assert_eq!(bob.welcome["resumed"], true);
    assert_eq!(bob.replay(), [5]);
}

/// Somebody else's work on a CPU.
fn hog(cpu: usize) -> Kept {
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string(), "sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
    Kept(command.spawn().expect("this test needs taskset"))
}

#[test]
fn with_half_of_its_cpu_it_is_slower_and_nobody_is_taken_for_dead() {
    const MESSAGES: u64 = 5_000;
    let serve = Place::new("chaos-cpu").with("cpus", 0).with("store-cpus", 0);
    let serve = serve.with("ping-interval", "2s").with("pong-timeout", "8s");
    let server = serve.start();
    let mut bob = Session::open(server.addr, "client=bob");
    let hogs = [hog(0), hog(0)];
    let heard = std::thread::spawn(move || bob.bodies(MESSAGES as usize));
    let mut api = server.api();
    for batch in 0..MESSAGES / 100 {
        publish(&mut api, batch * 100..(batch + 1) * 100);
    }
    assert_eq!(heard.join().unwrap(), (0..MESSAGES).map(Value::from).collect::<Vec<_>>());
    assert_eq!(server.metrics().sum("corepost_drops_total", "dead_peer"), 0.0);
    drop(hogs);
}

/// A control group with one limit, which somebody who is not root cannot make.
struct Group {
    dir: PathBuf,
    is_v1: bool,
}

impl Group {
    /// Of cgroup v1's controller, or of v2 with it.
    fn of(controller: &str, name: &str) -> std::io::Result<Self> {
        let v1 = Path::new("/sys/fs/cgroup").join(controller);
        let is_v1 = v1.is_dir();
        let root = if is_v1 { v1 } else { PathBuf::from("/sys/fs/cgroup") };
        let dir = root.join(format!("corepost-{name}-{}", std::process::id()));
        fs::create_dir(&dir)?;
        Ok(Self { dir, is_v1 })
    }

    /// Memory of its processes, and the pages that the kernel keeps for them; nothing where this process may limit none.
    fn memory(name: &str, mebibytes: usize) -> Option<Self> {
        let limited = Self::of("memory", name).and_then(|group| {
            let file = if group.is_v1 { "memory.limit_in_bytes" } else { "memory.max" };
            let set = group.set(file, mebibytes << 20);
            set.map(|()| group)
        });
        limited.inspect_err(|error| eprintln!("{error}: what it takes is measured instead of limited")).ok()
    }

    /// Takes all but a tenth of a CPU, in large pieces: who has used up its tenth of a second is stopped for the rest of it. On a
    /// busy machine, too, that much is used up.
    fn leave_a_tenth_of_a_cpu(&self) {
        let limits: &[(&str, &str)] = match self.is_v1 {
            true => &[("cpu.cfs_period_us", "1000000"), ("cpu.cfs_quota_us", "100000")],
            false => &[("cpu.max", "100000 1000000")],
        };
        for (file, value) in limits {
            self.set(file, value).expect("this test limits a CPU");
        }
    }

    fn set(&self, file: &str, value: impl ToString) -> std::io::Result<()> {
        fs::write(self.dir.join(file), value.to_string())
    }

    /// Starts the server in it.
    fn start(&self, place: &Place) -> Server {
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.dir.display());
        place.run(by("sh", &["-c", &enter, "sh"], &place.serve()))
    }

    /// How often the limit on memory was met.
    fn met(&self) -> u64 {
        let read = |file: &str| fs::read_to_string(self.dir.join(file)).unwrap();
        if self.is_v1 {
            return read("memory.failcnt").trim().parse().unwrap();
        }
        let events = read("memory.events");
        events.lines().find_map(|line| line.strip_prefix("max ")).unwrap().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // While it panics the server, which is let go of later, is still in it.
        if !std::thread::panicking() {
            eventually("nobody is left in the group", || fs::remove_dir(&self.dir).is_ok());
        }
    }
}

/// Publishes the numbers of this range to bob, in one request.
fn publish(api: &mut Api, numbers: std::ops::Range<u64>) {
    let element = |n: u64| json!({"from": "app", "to": "bob", "id": n.to_string(), "body": n});
    assert_eq!(api.publish(&numbers.map(element).collect()).status, 200);
}

#[test]
fn what_is_taken_of_its_cpu_is_told_apart_from_what_it_does_with_it() {
    const BATCH: u64 = 100;
    if !is_asked_for() {
        return;
    }
    let group = Group::of("cpu", "chaos-quota");
    let place = Place::new("chaos-quota").with("cpus", 0).with("store-cpus", 0);
    let server = group.as_ref().map_or_else(|_| place.start(), |group| group.start(&place));
    let mut bob = Session::open(server.addr, "client=bob");
    // Where this process may make no group, a crowd takes as much.
    let _hogs: Vec<Kept> = match &group {
        Ok(group) => {
            group.leave_a_tenth_of_a_cpu();
            Vec::new()
        }
        Err(error) => {
            eprintln!("{error}: no quota but a crowd takes the CPU");
            (0..40).map(|_| hog(0)).collect()
        }
    };
    let (mut api, mut published) = (server.api(), 0);
    let starved = || server.metrics().sum("corepost_core_late_turns_total", "cause=\"starved\"");
    eventually_in("a turn that was stopped in the middle is counted", Duration::from_secs(20), || {
        publish(&mut api, published..published + BATCH);
        published += BATCH;
        starved() >= 1.0
    });
    assert_eq!(bob.bodies(published as usize), (0..published).map(Value::from).collect::<Vec<_>>());
    assert_eq!(server.metrics().sum("corepost_drops_total", "dead_peer"), 0.0);
    drop((bob, api));
    server.kill();
}

#[test]
fn at_the_limit_of_its_memory_it_lives_and_readers_that_stopped_get_everything() {
    if !is_asked_for() {
        return;
    }
    const READERS: usize = 10;
    const MESSAGES: usize = 2_000;
    const MOST_MIB: usize = 128;
    let limit = Group::memory("chaos", MOST_MIB);
    let place = Place::new("chaos-memory")
        .with("cores", 1)
        .with("ping-interval", "10m")
        .with("recent-bytes", "4MiB")
        .with("store-cache", "8MiB");
    let mut server = limit.as_ref().map_or_else(|| place.start(), |limit| limit.start(&place));
    let mut readers: Vec<Session> =
        (0..READERS).map(|n| Session::open(server.addr, &format!("client=r{n}"))).collect();
    let (mut api, text) = (server.api(), "x".repeat(4_000));
    let lists: Vec<String> = (0..READERS).map(|n| format!("r{n}")).collect();
    for batch in 0..MESSAGES / 20 {
        let element = |n: usize| json!({"from": "app", "to": lists, "id": n.to_string(), "body": {"n": n, "text": text}});
        let elements: Value = (batch * 20..(batch + 1) * 20).map(element).collect();
        assert_eq!(api.publish(&elements).status, 200);
    }
    assert!(server.ended().is_none(), "the kernel has killed it");
    match &limit {
        Some(limit) => assert!(limit.met() > 0, "there was more room than was needed: this shows nothing"),
        None => assert!(server.resident() < MOST_MIB << 20, "{} bytes", server.resident()),
    }
    for reader in &mut readers {
        for n in 0..MESSAGES {
            assert_eq!(reader.frame_of("message")["body"]["n"], n);
        }
    }
    drop((readers, api));
    server.kill();
}
