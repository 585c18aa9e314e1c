//! What kind of cluster a seed makes: how many of everything, how tight the bounds, what goes wrong.

use corepost::client::Dice;
use corepost::model::Topology;
use corepost::router::Bounds;

/// One world.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub nodes: u16,
    pub cores: u16,
    pub partitions: u16,
    pub clients: usize,
    pub devices: usize,
    pub node_timeout_ms: u32,
    /// How long people talk and things go wrong.
    pub storm_ms: u64,
    /// Milliseconds between two who say something, at most.
    pub chat_ms: u64,
    /// What goes wrong; each as often as it is in it.
    pub faults: Vec<Fault>,
    /// Of a thousand records to other nodes, so many are lost.
    pub node_losses: u64,
    /// Records that were there before, and how long the oldest is ago.
    pub older: u64,
    pub older_ms: u64,
    /// How long the log keeps a record.
    pub retention_ms: u64,
    /// Nodes read what they would own without its owner.
    pub standby: bool,
    pub outbound_bytes: u32,
    pub recent_bytes: usize,
    pub ping_interval_ms: u64,
    pub cursor_refresh_ms: u64,
    pub commands: usize,
    pub tick_ms: u64,
    /// Milliseconds a hop may take, at most: between threads, to a broker, to a client.
    pub mesh_ms: u64,
    pub kafka_ms: u64,
    pub net_ms: u64,
    pub bounds: Bounds,
    /// Largest body of a message.
    pub body_bytes: u64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed, and started again soon with the store as it was or an empty one.
    Crash,
    /// A process stands still for 1 to 60 s.
    Pause,
    /// For just longer than `node_timeout`.
    Flap,
    /// One thread of it stands still.
    Stall,
    /// No broker answers.
    Outage,
    /// Brokers are slow to say where partitions end.
    Unsure,
    /// A node is stopped as an operator does, and started again.
    Restart,
    /// All of them, one after the other.
    Roll,
    /// A node more, or one less.
    Scale,
    /// Two processes claim one ordinal.
    Twin,
    /// A partition has another leader.
    Elect,
    /// What a node says of itself is held up for just longer than `node_timeout`: views flip and flip back.
    Flip,
    /// A node dies, and where its partitions go the post, the tail or a core stands still as the view changes.
    Rift,
    /// The last records to other nodes before a long silence are lost.
    Hush,
    /// A device that missed much returns, and its home moves in mid-replay.
    Overtake,
    /// A node is stopped or killed, and comes back as a program of another version.
    Version,
    /// A partition has another leader, which lacks the newest records.
    Truncate,
    /// The mailbox topic is deleted and made again.
    Remake,
}

impl Fault {
    const ALL: [Self; 18] = [
        Self::Crash,
        Self::Pause,
        Self::Flap,
        Self::Stall,
        Self::Outage,
        Self::Unsure,
        Self::Restart,
        Self::Roll,
        Self::Scale,
        Self::Twin,
        Self::Elect,
        Self::Flip,
        Self::Rift,
        Self::Hush,
        Self::Overtake,
        Self::Version,
        Self::Truncate,
        Self::Remake,
    ];

    /// Those that are aimed at what random schedules find too seldom.
    #[cfg(feature = "sabotage")]
    pub const AIMED: [Self; 4] = [Self::Flip, Self::Rift, Self::Hush, Self::Overtake];
}

impl Plan {
    /// The world of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0xc1_05_7e_12);
        let mut pick = |choices: &[u64]| choices[dice.below(choices.len() as u64) as usize];
        let partitions = pick(&[2, 4, 8]) as u16;
        let clients = pick(&[3, 5, 8]) as usize;
        Self {
            seed,
            nodes: pick(&[2, 3, 3, 4]) as u16,
            cores: pick(&[1, 1, 2, 3]) as u16,
            partitions,
            clients,
            devices: clients + pick(&[0, 2, 4]) as usize,
            node_timeout_ms: pick(&[4_000, 5_000]) as u32,
            storm_ms: pick(&[20_000, 40_000, 70_000]),
            chat_ms: pick(&[200, 400, 2_000]),
            faults: match pick(&[0, 1, 2, 2, 2]) {
                0 => Vec::new(),
                // Two of them only, each often.
                1 => (0..2)
                    .map(|_| {
                        let all: Vec<u64> = (0..Fault::ALL.len() as u64).collect();
                        Fault::ALL[pick(&all) as usize]
                    })
                    .collect(),
                _ if seed.is_multiple_of(7) => Fault::ALL.to_vec(),
                _ if seed.is_multiple_of(3) => Fault::ALL[..17].to_vec(),
                _ => Fault::ALL[..16].to_vec(),
            },
            node_losses: pick(&[0, 10, 10, 100]),
            older: pick(&[0, 20, 300]),
            older_ms: pick(&[1_500_000, 10_000_000]),
            retention_ms: pick(&[7 * 86_400_000, 9_000_000]),
            standby: pick(&[0, 0, 1]) == 1,
            outbound_bytes: pick(&[1_500, 4_000, 64_000]) as u32,
            recent_bytes: pick(&[0, 1_000, 100_000]) as usize,
            ping_interval_ms: pick(&[5_000, 25_000]),
            cursor_refresh_ms: pick(&[2_000, 30_000, 3_600_000]),
            commands: pick(&[3, 100]) as usize,
            tick_ms: pick(&[50, 100, 200]),
            mesh_ms: pick(&[0, 1, 5]),
            kafka_ms: pick(&[2, 8, 40]),
            net_ms: pick(&[1, 10, 60]),
            bounds: Bounds {
                replay_credit_bytes: pick(&[5_000, 1_000_000]) as u32,
                replay_share_bytes: pick(&[300, 1_000, 2_000]) as u32,
                page_bytes: pick(&[300, 1_000, 64_000]) as u32,
                page_envelopes: pick(&[1, 3, 100]) as u32,
                missed_counted: pick(&[100, 10_000]) as u32,
                reads_in_flight: pick(&[1, 3, 64]) as usize,
                ..Bounds::default()
            },
            body_bytes: pick(&[20, 200]),
        }
    }

    /// The same, where only this goes wrong.
    pub fn aimed(seed: u64, fault: Fault) -> Self {
        let usual = Self::of(seed);
        Self {
            faults: vec![fault],
            nodes: usual.nodes.max(3),
            node_losses: usual.node_losses.min(10),
            ..usual
        }
    }

    pub fn topology(&self) -> Topology {
        Topology::new(self.partitions, self.cores)
    }
}
