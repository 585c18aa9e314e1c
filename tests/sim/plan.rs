//! What kind of world a seed makes: how many of everything, how tight the bounds, how bad the weather.

use corepost::client::Dice;
use corepost::router::Bounds;

/// One world.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub cores: u16,
    pub partitions: u16,
    pub clients: usize,
    pub devices: usize,
    /// How many things actors do.
    pub acts: u32,
    /// All sessions live on a core that is not their client's.
    pub wrong_core: bool,
    pub outbound_bytes: u32,
    pub recent_bytes: usize,
    pub ping_interval_ms: u64,
    pub cursor_refresh_ms: u64,
    pub sessions_per_client: usize,
    pub messages_per_second: Option<u32>,
    /// Envelopes a mailbox may hold.
    pub quota: u64,
    /// Commands that may wait between two cores.
    pub commands: usize,
    pub tick_ms: u64,
    /// Milliseconds a hop may take, at most: of the mesh, the log's word, a disk, the network.
    pub mesh_ms: u64,
    pub log_ms: u64,
    pub net_ms: u64,
    /// Whether anything goes wrong at all.
    pub weather: Weather,
    pub bounds: Bounds,
    /// Largest body of a message.
    pub body_bytes: u64,
}

/// How bad it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Nothing breaks.
    Fair,
    /// Connections break.
    Windy,
    /// Nodes crash, the log is ill, cores pause.
    Storm,
}

impl Plan {
    /// The world of a seed. Odd seeds put all sessions on the wrong core.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let mut pick = |choices: &[u64]| choices[dice.below(choices.len() as u64) as usize];
        let wrong_core = seed % 2 == 1;
        Self {
            seed,
            cores: if wrong_core { pick(&[2, 2, 3, 4]) } else { pick(&[1, 2, 3, 4]) } as u16,
            partitions: pick(&[1, 2, 3, 8]) as u16,
            clients: pick(&[2, 3, 4, 6, 8]) as usize,
            devices: pick(&[3, 5, 8, 12]) as usize,
            acts: pick(&[60, 120, 200, 400]) as u32,
            wrong_core,
            outbound_bytes: pick(&[600, 1_500, 4_000, 64_000]) as u32,
            recent_bytes: pick(&[0, 1_000, 4_000, 100_000]) as usize,
            ping_interval_ms: pick(&[1_000, 5_000, 25_000]),
            cursor_refresh_ms: pick(&[2_000, 30_000, 3_600_000]),
            sessions_per_client: pick(&[2, 4, 64]) as usize,
            messages_per_second: match pick(&[0, 0, 0, 5, 20]) {
                0 => None,
                some => Some(some as u32),
            },
            quota: pick(&[20, 100, 100_000, 100_000]),
            commands: pick(&[1, 3, 100]) as usize,
            tick_ms: pick(&[50, 50, 200, 500]),
            mesh_ms: pick(&[0, 1, 5, 40]),
            log_ms: pick(&[0, 2, 10, 60]),
            net_ms: pick(&[1, 10, 80]),
            weather: match pick(&[0, 1, 1, 2, 2, 2]) {
                0 => Weather::Fair,
                1 => Weather::Windy,
                _ => Weather::Storm,
            },
            bounds: Bounds {
                answer_bytes: pick(&[100, 2_000, 200_000]) as u32,
                replay_credit_bytes: pick(&[2_000, 5_000, 1_000_000]) as u32,
                replay_share_bytes: pick(&[300, 1_000, 2_000]) as u32,
                page_bytes: pick(&[300, 1_000, 64_000]) as u32,
                // A page is never larger than what is counted.
                page_envelopes: pick(&[1, 2, 3]) as u32,
                missed_counted: pick(&[3, 40, 10_000]) as u32,
                reads_in_flight: pick(&[1, 3, 64]) as usize,
                appends_in_flight: pick(&[12, 40, 16_384]) as usize,
                append_bytes_in_flight: pick(&[20_000, 1_000_000]) as usize,
                revocations: corepost::limits::REVOCATIONS,
            },
            body_bytes: pick(&[20, 200, 200, 900]),
        }
    }
}
