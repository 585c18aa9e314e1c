//! The CPU that a core's thread is kept to.

use super::config::NodeConfig;
use super::start::StartError;
use crate::host::pin;

/// The CPU of one core.
pub(super) struct Place {
    cpu: usize,
    /// By an operator, who means it. What a plan has chosen is only better than others.
    is_named: bool,
}

impl Place {
    /// `None`: cores are not pinned.
    pub(super) fn of_core(config: &NodeConfig, index: usize) -> Option<Self> {
        let cpu = *config.cpus.get(index)?;
        Some(Self { cpu, is_named: config.are_cpus_named })
    }

    /// Keeps the calling thread to it, which a sandbox may forbid; and the CPU may have gone since the plan was made.
    pub(super) fn take(self) -> Result<(), StartError> {
        let Self { cpu, is_named } = self;
        match pin(cpu) {
            Err(error) if is_named => return Err(StartError::Cpu { cpu, error }),
            Err(error) => tracing::warn!(
                cpu,
                %error,
                "a core cannot be kept to its CPU and runs on any; a seccomp profile must allow sched_setaffinity; if the CPU \
                 has gone, the next start plans without it"
            ),
            Ok(()) => {}
        }
        Ok(())
    }
}
