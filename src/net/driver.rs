//! Which of the kernel's two ways a core waits for its sockets, and why the better one was refused.

use io_uring::{IoUring, Probe, opcode};
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::future::Future;
use std::{fmt, fs, io};

/// Entries of a core's submission queue: what one turn may start before it has to enter the kernel.
const SUBMISSIONS: u32 = 1_024;
/// Entries of a core's completion queue. What overflows waits in the kernel, more dearly.
const COMPLETIONS: u32 = 8_192;

/// How a core talks to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// io_uring, with the best flags this kernel has.
    Uring(Flags),
    /// epoll: works everywhere, costs more.
    Epoll,
}

/// Which of io_uring's ways of running completions, best first (FINDINGS.md §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flags {
    /// One issuer, completions run when the core waits: Linux 6.1.
    Deferred,
    /// Completions run at any system call, without an interrupt: Linux 5.19.
    Cooperative,
    /// Neither.
    Plain,
}

/// What the operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// io_uring if it can be had.
    #[default]
    Best,
    /// io_uring or nothing.
    Uring,
    /// epoll, whatever can be had.
    Epoll,
}

/// Why io_uring cannot be had here, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Who refuses it.
    pub why: String,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "io_uring cannot be used: {}; {}", self.why, self.remedy)
    }
}

impl Wish {
    /// From the value of `COREPOST_DRIVER`: `uring`, `epoll`, or nothing.
    pub fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None | Some("") => Ok(Self::Best),
            Some("uring") => Ok(Self::Uring),
            Some("epoll") => Ok(Self::Epoll),
            Some(other) => Err(format!("COREPOST_DRIVER is {other:?}; it may be uring or epoll")),
        }
    }
}

/// The driver for all cores, and why it is not io_uring if that was wished for.
pub fn choose(wish: Wish) -> Result<(Driver, Option<Refused>), Refused> {
    if wish == Wish::Epoll {
        return Ok((Driver::Epoll, None));
    }
    // On a thread of its own, for when a ring is closed the kernel interrupts whatever its maker waits in.
    let probed = std::thread::spawn(probe).join().expect("the probe does not panic");
    match (wish, probed) {
        (_, Ok(flags)) => Ok((Driver::Uring(flags), None)),
        (Wish::Best, Err(refused)) => Ok((Driver::Epoll, Some(refused))),
        (_, Err(refused)) => Err(refused),
    }
}

impl Flags {
    fn builder(self) -> io_uring::Builder {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS);
        match self {
            Self::Deferred => builder.setup_single_issuer().setup_defer_taskrun(),
            Self::Cooperative => builder.setup_coop_taskrun(),
            Self::Plain => &mut builder,
        };
        builder
    }
}

/// Builds a ring as a core would, with the best flags first.
fn probe() -> Result<Flags, Refused> {
    let plain = Flags::Plain.builder().build(8).map_err(|error| explain(&error))?;
    let mut known = Probe::new();
    let complete = plain.submitter().register_probe(&mut known).is_ok()
        && [
            opcode::PollAdd::CODE,
            opcode::Recv::CODE,
            opcode::Send::CODE,
            opcode::AsyncCancel::CODE,
            opcode::Close::CODE,
            opcode::Read::CODE,
        ]
        .iter()
        .all(|&code| known.is_supported(code));
    if !complete {
        return Err(Refused {
            why: "this kernel's io_uring lacks operations that are needed".into(),
            remedy: "use Linux 5.10 or newer",
        });
    }
    let better = [Flags::Deferred, Flags::Cooperative];
    Ok(better.into_iter().find(|flags| flags.builder().build(8).is_ok()).unwrap_or(Flags::Plain))
}

/// Who refused a ring: the kernel's age, its sysctl, a container's seccomp filter, or a limit.
fn explain(error: &io::Error) -> Refused {
    let switched_off = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match (error.raw_os_error(), switched_off.trim()) {
        (Some(libc::EPERM), level @ ("1" | "2")) => Refused {
            why: format!("the sysctl kernel.io_uring_disabled is {level}"),
            remedy: "set it to 0 (sysctl -w kernel.io_uring_disabled=0), or to 1 with this user's group in \
                     kernel.io_uring_group",
        },
        (Some(libc::EPERM | libc::EACCES), _) => Refused {
            why: "a seccomp or security policy forbids io_uring_setup".into(),
            remedy: "allow io_uring_setup, io_uring_enter and io_uring_register in the container's profile",
        },
        (Some(libc::ENOSYS), _) => Refused {
            why: "this kernel does not know it, or a seccomp profile hides it".into(),
            remedy: "use Linux 5.10 or newer with CONFIG_IO_URING, and a profile that allows io_uring_setup",
        },
        (Some(libc::ENOMEM), _) => Refused {
            why: "the limit on locked memory is too low".into(),
            remedy: "raise it (ulimit -l, LimitMEMLOCK=) or use Linux 5.12 or newer",
        },
        _ => Refused { why: error.to_string(), remedy: "see the error" },
    }
}

impl Driver {
    /// Runs a core on this thread until `future` is ready. The runtime is built here, on its own thread.
    ///
    /// Tasks that are left are dropped with the runtime; operations in flight are not waited for.
    pub fn block_on<F: Future>(self, future: F) -> io::Result<F::Output> {
        Ok(match self {
            Self::Uring(flags) => RuntimeBuilder::<TimeDriver<IoUringDriver>>::new()
                .with_entries(SUBMISSIONS)
                .uring_builder(flags.builder())
                .build()?
                .block_on(future),
            Self::Epoll => RuntimeBuilder::<TimeDriver<LegacyDriver>>::new()
                .with_entries(SUBMISSIONS)
                .build()?
                .block_on(future),
        })
    }

    /// Whether completions wait until the core waits, so that a core which never waits never sees them.
    pub fn defers_completions(self) -> bool {
        self == Self::Uring(Flags::Deferred)
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uring(Flags::Deferred) => "io_uring, single issuer, deferred completions",
            Self::Uring(Flags::Cooperative) => "io_uring, cooperative completions",
            Self::Uring(Flags::Plain) => "io_uring",
            Self::Epoll => "epoll",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_who_and_what_to_do() {
        for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS, libc::ENOMEM, libc::EMFILE] {
            let refused = explain(&io::Error::from_raw_os_error(errno)).to_string();
            assert!(refused.starts_with("io_uring cannot be used: ") && refused.contains("; "), "{refused}");
        }
        assert!(explain(&io::Error::from_raw_os_error(libc::ENOSYS)).why.contains("does not know it"));
    }

    #[test]
    fn epoll_can_always_be_had_and_a_strange_wish_is_an_error() {
        assert_eq!(choose(Wish::Epoll), Ok((Driver::Epoll, None)));
        assert_eq!(Wish::parse(Some("uring")), Ok(Wish::Uring));
        assert_eq!(Wish::parse(None), Ok(Wish::Best));
        assert!(Wish::parse(Some("kqueue")).is_err());
    }

    #[test]
    fn both_drivers_run_a_future_with_a_timer() {
        for wish in [Wish::Best, Wish::Epoll] {
            let (driver, _) = choose(wish).expect("one of them");
            let slept = driver.block_on(async {
                monoio::time::sleep(std::time::Duration::from_millis(5)).await;
                7
            });
            assert_eq!(slept.expect("a runtime"), 7, "{driver}");
        }
    }
}
