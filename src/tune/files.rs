//! Files that `--apply` leaves on a host: written whole or not at all, and never over somebody else's.

use super::read::Root;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// By what one of ours is known. A profile that was printed into a file of the same name does not say it.
pub(super) const MARK: &str = "made by `corepost tune --apply`";

/// Read at every boot. Of files that set the same the last one counts, in order of their names, and distributions link
/// `/etc/sysctl.conf` as 99-sysctl.conf.
pub(super) const SYSCTLS: HostFile = HostFile("etc/sysctl.d/99-zz-corepost.conf");
/// Read at every login, not by systemd's services: their unit has LimitNOFILE.
pub(super) const LIMITS: HostFile = HostFile("etc/security/limits.d/99-zz-corepost.conf");
/// What was there before. No `.conf`, so that nobody reads it at a boot.
pub(super) const BEFORE: HostFile = HostFile("etc/sysctl.d/99-zz-corepost.before");

/// One of them, below a root.
pub(super) struct HostFile(pub(super) &'static str);

/// Why something could not be done. What was done until then stands, and can be reverted.
#[derive(Debug)]
pub struct ApplyError {
    pub(super) path: PathBuf,
    pub(super) why: Why,
}

/// Whose fault it is.
#[derive(Debug)]
pub(super) enum Why {
    /// The host refuses.
    Io(io::Error),
    /// The file is somebody else's.
    NotOurs,
    /// The file is ours and cannot be understood.
    Damaged(String),
    /// More open files are wanted than the kernel gives a process.
    AboveNrOpen { wanted: u64, nr_open: u64 },
}

impl ApplyError {
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), why: Why::Io(error) }
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Io(error) => match error.kind() {
                io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => {
                    write!(
                        f,
                        "{path} may not be written from here: set it on the host itself, outside of any container"
                    )
                }
                io::ErrorKind::PermissionDenied => write!(f, "{path} may not be written: run it as root"),
                io::ErrorKind::ReadOnlyFilesystem => {
                    write!(f, "{path} is read-only here: run it on the host, not in a container")
                }
                _ => write!(f, "{path}: {error}"),
            },
            Why::NotOurs => {
                write!(f, "{path} was not {MARK} and is left as it is: give it another name, or remove it")
            }
            Why::Damaged(why) => write!(
                f,
                "{path} says what was there before --apply and cannot be read ({why}): set back by hand what /{} and /{} set, \
                 and remove all three",
                SYSCTLS.0, LIMITS.0
            ),
            Why::AboveNrOpen { wanted, nr_open } => write!(
                f,
                "{path} cannot grant {wanted} open files, for fs.nr_open is {nr_open}: with more nobody could log in; raise that first"
            ),
        }
    }
}

impl std::error::Error for ApplyError {}

impl HostFile {
    /// Its text; empty if it is not there.
    pub fn read(&self, root: &Root) -> Result<String, ApplyError> {
        let path = root.path(self.0);
        match fs::read_to_string(&path) {
            Ok(text) if text.contains(MARK) => Ok(text),
            Ok(text) if text.is_empty() => Err(ApplyError { path, why: Why::Damaged("it is empty".into()) }),
            Ok(_) => Err(ApplyError { path, why: Why::NotOurs }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(ApplyError::io(&path, error)),
        }
    }

    /// Writes it anew; its folder need not be there. After a crash there is the old one or the new one.
    pub fn write(&self, root: &Root, text: &str) -> Result<(), ApplyError> {
        debug_assert!(text.contains(MARK), "we would not know it again");
        let path = root.path(self.0);
        let beside = path.with_extension("new");
        let dir = path.parent().expect("it has a folder");
        let written = fs::create_dir_all(dir).and_then(|()| {
            let mut file = fs::File::create(&beside)?;
            writeln!(file, "{}", text.trim_end())?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            fs::File::open(dir)?.sync_all()
        });
        written.map_err(|error| ApplyError::io(&path, error))
    }

    /// Removes it, and says whether it was there.
    pub fn take_away(&self, root: &Root) -> Result<bool, ApplyError> {
        if self.read(root)?.is_empty() {
            return Ok(false);
        }
        let path = root.path(self.0);
        fs::remove_file(&path).map_err(|error| ApplyError::io(&path, error))?;
        Ok(true)
    }

    /// Where it is, for people.
    pub fn shown(&self) -> PathBuf {
        Path::new("/").join(self.0)
    }
}
