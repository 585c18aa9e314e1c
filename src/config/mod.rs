//! From what was written to what is meant: [`Given`] → [`Raw`] → [`Config`], all mistakes at once.

mod certificate;
mod cluster;
mod cluster_start;
mod create_line;
mod kafka;
mod keyfiles;
mod later;
mod placement;
mod raw;
mod reader;
mod resolve;
mod resolved;
mod settings;
mod some;
mod source;
mod tlsfiles;
mod values;

pub use certificate::Expiry;
pub use cluster::{ClusterConfig, ONE_COPY};
pub use cluster_start::{BrokenTopics, ClusterTopics, ClusterTrouble, check_cluster};
pub use create_line::CreateLine;
pub use kafka::{KafkaConfig, resolve_kafka};
pub use keyfiles::{KeyFileMistake, KeyFiles};
pub use later::Dormant;
pub use placement::Placement;
pub use raw::{Given, Raw, Written};
pub use resolve::{Effective, resolve};
pub use resolved::{Config, Driver, LogFormat, LogLevel, LogOutput};
pub use settings::{Setting, all as all_settings, of_topics};
pub use some::{resolve_placement, resolve_sockets};
pub use source::{Mistake, Mistakes, Source};
pub use tlsfiles::{Shown, TlsFiles};
pub use values::{duration, show_duration, show_size, size};
