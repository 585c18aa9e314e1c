//! The nodes of one story, and the balancer before them.

use crate::kafka_support::{Cluster, corepost, errors, text};
use crate::support::{Api, Place, Server};
use corepost::model::{IdRef, Topology};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

/// Silence after which a node is dead, in every story.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(4);
/// Partitions of every story.
pub const PARTITIONS: u16 = 8;

/// The broker that most stories share. It ends with this process.
pub fn kafka() -> &'static Cluster {
    static KAFKA: OnceLock<Cluster> = OnceLock::new();
    KAFKA.get_or_init(|| Cluster::start("cluster", 1, ""))
}

/// Stories of whole clusters that are told at once. Most of their time they wait; but up to six nodes are enough for a
/// machine of two CPUs, and what nodes think of one another's silence is not to hang on who else is tested.
const AT_ONCE: u32 = 2;

/// So many of these stories' turns: who finds fewer left waits. One that fails leaves its own to the next.
struct Turns(u32);

static LEFT: Mutex<u32> = Mutex::new(AT_ONCE);
static GIVEN_BACK: Condvar = Condvar::new();

impl Turns {
    fn wait_for(turns: u32) -> Self {
        let left = LEFT.lock().unwrap();
        *GIVEN_BACK.wait_while(left, |left| *left < turns).unwrap() -= turns;
        Self(turns)
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        *LEFT.lock().unwrap() += self.0;
        GIVEN_BACK.notify_all();
    }
}

/// Nodes by ordinal, with topics of their own.
pub struct Fleet {
    name: &'static str,
    brokers: String,
    replication: &'static str,
    /// How a node is started at its place.
    start: fn(&Place) -> Server,
    places: Vec<Place>,
    pub nodes: Vec<Option<Server>>,
    /// Where clients are sent.
    pub balancer: Balancer,
    _turns: Turns,
}

/// What a plain balancer knows: addresses by ordinal, of those that clients are sent to.
#[derive(Clone, Default)]
pub struct Balancer(Arc<Mutex<Vec<Option<SocketAddr>>>>);

impl Balancer {
    fn set(&self, ordinal: usize, addr: Option<SocketAddr>) {
        self.0.lock().unwrap()[ordinal] = addr;
    }

    /// The node of this ordinal, or the next that there is.
    pub fn at_or_after(&self, ordinal: usize) -> Option<SocketAddr> {
        let all = self.0.lock().unwrap();
        (0..all.len()).find_map(|step| all[(ordinal + step) % all.len()])
    }
}

impl Fleet {
    /// Makes the topics of this story and starts so many nodes on the broker that all share.
    pub fn start(name: &'static str, nodes: usize) -> Self {
        let mut fleet = Self::on(kafka(), "1", name);
        fleet.raise(nodes);
        fleet
    }

    /// Topics at these brokers, and no node yet.
    pub fn on(kafka: &Cluster, replication: &'static str, name: &'static str) -> Self {
        // Several brokers have the machine to themselves.
        let turns = if replication == "1" { 1 } else { AT_ONCE };
        let fleet = Self {
            name,
            brokers: kafka.brokers.clone(),
            replication,
            start: Place::start,
            places: Vec::new(),
            nodes: Vec::new(),
            balancer: Balancer::default(),
            _turns: Turns::wait_for(turns),
        };
        fleet.make_topics();
        fleet
    }

    /// Has its nodes started in this way from now on.
    #[cfg(target_arch = "x86_64")]
    pub fn start_by(&mut self, start: fn(&Place) -> Server) {
        self.start = start;
    }

    /// Makes those of its topics that are not there.
    pub fn make_topics(&self) {
        let partitions = PARTITIONS.to_string();
        let made = corepost(&[
            "topics",
            "create",
            "--kafka",
            &self.brokers,
            "--topic-prefix",
            self.name,
            "--partitions",
            &partitions,
            "--replication",
            self.replication,
        ]);
        assert!(made.status.success(), "{}{}", text(&made), errors(&made));
    }

    /// A further node's place, on which nothing is started.
    pub fn place(&self, ordinal: usize) -> Place {
        Place::new(&format!("{}-{ordinal}", self.name))
            .with("kafka", &self.brokers)
            .with("replication", self.replication)
            .with("topic-prefix", self.name)
            .with("partitions", PARTITIONS)
            .with("node", ordinal)
            .with("node-timeout", format!("{}s", NODE_TIMEOUT.as_secs()))
            .with("drain-window", "1s")
            // Nodes of a cluster need not have the same number of cores.
            .with("cores", 1 + ordinal % 2)
    }

    /// Starts so many nodes more, at once.
    pub fn raise(&mut self, nodes: usize) {
        let from = self.places.len();
        for ordinal in from..from + nodes {
            self.places.push(self.place(ordinal));
            self.nodes.push(None);
            self.balancer.0.lock().unwrap().push(None);
        }
        let started: Vec<Server> = std::thread::scope(|scope| {
            let each = self.places[from..].iter().map(|place| scope.spawn(|| (self.start)(place)));
            each.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (at, server) in started.into_iter().enumerate() {
            self.take(from + at, server);
        }
    }

    /// Starts one node more, as this place has it.
    pub fn raise_at(&mut self, place: Place) {
        self.places.push(place);
        self.nodes.push(None);
        self.balancer.0.lock().unwrap().push(None);
        self.restart(self.places.len() - 1);
    }

    /// Starts this node again, and waits until it is ready.
    pub fn restart(&mut self, ordinal: usize) {
        assert!(self.nodes[ordinal].is_none(), "node {ordinal} is there");
        self.take(ordinal, (self.start)(&self.places[ordinal]));
    }

    /// This process is the node of this ordinal now.
    pub fn take(&mut self, ordinal: usize, server: Server) {
        self.balancer.set(ordinal, Some(server.addr));
        self.nodes[ordinal] = Some(server);
    }

    pub fn node(&self, ordinal: usize) -> &Server {
        self.nodes[ordinal].as_ref().expect("this node is there")
    }

    /// No client is sent to it any more.
    pub fn hide(&mut self, ordinal: usize) -> Server {
        self.balancer.set(ordinal, None);
        self.nodes[ordinal].take().expect("this node is there")
    }

    /// `kill -9`
    pub fn kill(&mut self, ordinal: usize) {
        self.hide(ordinal).kill();
    }

    /// Where its data is.
    pub fn data(&self, ordinal: usize) -> std::path::PathBuf {
        self.places[ordinal].path("data")
    }

    /// The nodes that are there.
    pub fn alive(&self) -> impl Iterator<Item = &Server> {
        self.nodes.iter().flatten()
    }
}

/// Where a story failed, what each node thinks of the others tells more than its log.
impl Drop for Fleet {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (ordinal, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            println!("node {ordinal} at {}:", node.addr);
            // A second panic would end the process, and with it what is told here; the node may be stopped, or gone.
            let answer =
                TcpStream::connect(node.admin).and_then(|to| Api::over(to).ask("GET", "/metrics", b""));
            let metrics =
                answer.map_or_else(|error| error.to_string(), |it| String::from_utf8_lossy(&it.body).into());
            metrics.lines().filter(|line| tells_of_others(line)).for_each(|line| println!("  {line}"));
        }
    }
}

/// A series of the cluster, of what was dropped, or of what waits, that is not 0.
fn tells_of_others(line: &str) -> bool {
    const OF: [&str; 12] = [
        "cluster_",
        "links",
        "hellos",
        "node_records",
        "post_",
        "partition",
        "drops",
        "refusals",
        "sessions",
        "mesh_depth",
        "view_changes",
        "late_turns",
    ];
    let name = line.strip_prefix("corepost_");
    name.is_some_and(|name| OF.iter().any(|of| name.starts_with(of))) && !line.ends_with(" 0")
}

/// A client whose mailbox lies in this partition: eight of them have homes on all nodes.
pub fn client_in(partition: usize, name: &str) -> String {
    let topology = Topology::new(PARTITIONS, 1);
    let is_there = |client: &String| {
        let id = IdRef::new(client).unwrap();
        usize::from(topology.place(id).partition.0) == partition
    };
    (0..).map(|n| format!("{name}-{partition}-{n}")).find(is_there).expect("there is one in every partition")
}

/// What it logged about its partitions: a line for each change of what it owns.
pub fn moves(server: &Server) -> usize {
    server.log().matches("partitions of this node").count()
}

/// How often any of them saw somebody come or go, all together.
pub fn view_changes(fleet: &Fleet) -> f64 {
    fleet.alive().map(|node| node.metrics().sum("corepost_view_changes_total", "")).sum()
}

/// Whether `/readyz` says yes.
pub fn is_ready(server: &Server) -> bool {
    crate::support::Api::connect(server.admin).get("/readyz").status == 200
}
