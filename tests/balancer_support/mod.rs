//! The balancers' own programs, with the configurations of `tuning/`.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// The program of this name itself, of the package of that name; Debian has them where not every user looks.
pub fn balancer(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = places.map(|place| place.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("this test needs {name}: apt-get install -y --no-install-recommends {package}")
    })
}

/// A file of `tuning/`, with what is another thing here written over what stands there.
pub fn tuned(name: &str, changes: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (written, here) in changes {
        assert_eq!(text.matches(written).count(), 1, "tuning/{name} has one {written:?}");
        text = text.replace(written, here);
    }
    text
}

/// Addresses that nobody listens on at the moment. A balancer cannot be asked which free ones it took.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.each_ref().map(|listener| listener.local_addr().unwrap())
}
