//! A disk as it is after a power cut: what was fsynced, and by chance some of what was not.
//!
//! Files are content that is durable and operations that are not yet; directories are the listing their last fsync
//! made durable. Both are followed from the state before the process began, along the log that `shim.c` wrote.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt};
use std::path::Path;

/// How unkind the cut is to what was not fsynced.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// All of it is gone.
    Everything,
    /// Some pages were written and others not, some names are there and others not.
    Pages,
    /// It was written in order up to some byte.
    Prefix,
}

enum Pending {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

enum Node {
    File(File),
    Dir(BTreeMap<String, usize>),
}

/// What a directory's files are, durable and not.
pub struct Disk {
    nodes: Vec<Node>,
    /// Which node has an inode number now; the kernel uses numbers again.
    by_inode: HashMap<u64, usize>,
    root: usize,
}

/// A small generator: each cut is the same for the same seed.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }

    fn one_in_two(&mut self) -> bool {
        self.below(2) == 0
    }
}

const PAGE: usize = 4_096;

impl Disk {
    /// Everything below `dir` as it stands, durable.
    pub fn of(dir: &Path) -> Self {
        let mut disk = Self { nodes: Vec::new(), by_inode: HashMap::new(), root: 0 };
        disk.root = disk.load(dir);
        disk
    }

    fn add(&mut self, inode: u64, node: Node) -> usize {
        self.nodes.push(node);
        self.by_inode.insert(inode, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn load(&mut self, path: &Path) -> usize {
        let inode = fs::metadata(path).unwrap().ino();
        if path.is_dir() {
            let entries: Vec<_> = fs::read_dir(path).unwrap().map(Result::unwrap).collect();
            let listing = entries
                .iter()
                .map(|e| (e.file_name().into_string().unwrap(), self.load(&e.path())))
                .collect();
            self.add(inode, Node::Dir(listing))
        } else {
            self.add(inode, Node::File(File { durable: fs::read(path).unwrap(), pending: Vec::new() }))
        }
    }

    /// Follows the shim's log. Its last entry may be torn: then that did not happen.
    pub fn follow(&mut self, log: &[u8]) {
        let mut rest = log;
        while let Some((head, after)) = rest.split_first_chunk::<21>() {
            let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
            let (inode, number) = (number(1), number(9));
            let len = u32::from_le_bytes(head[17..].try_into().unwrap()) as usize;
            let Some((data, after)) = after.split_at_checked(len) else { return };
            rest = after;
            match head[0] {
                b'C' => drop(self.add(inode, Node::File(File::default()))),
                b'M' => drop(self.add(inode, Node::Dir(BTreeMap::new()))),
                b'W' => self.file(inode).pending.push(Pending::Write(number, data.to_vec())),
                b'T' => self.file(inode).pending.push(Pending::Length(number)),
                b'S' => self.file(inode).sync(),
                b'D' => self.sync_listing(inode, data),
                other => panic!("the log has an entry {other}"),
            }
        }
    }

    fn file(&mut self, inode: u64) -> &mut File {
        let at = self.by_inode[&inode];
        match &mut self.nodes[at] {
            Node::File(file) => file,
            Node::Dir(_) => panic!("inode {inode} was written to and is a directory"),
        }
    }

    fn sync_listing(&mut self, inode: u64, mut data: &[u8]) {
        let mut listing = BTreeMap::new();
        while !data.is_empty() {
            let child = u64::from_le_bytes(data[..8].try_into().unwrap());
            let len = usize::from(u16::from_le_bytes(data[9..11].try_into().unwrap()));
            let name = String::from_utf8(data[11..11 + len].to_vec()).unwrap();
            let fresh =
                || if data[8] == 1 { Node::Dir(BTreeMap::new()) } else { Node::File(File::default()) };
            let node = match self.by_inode.get(&child) {
                Some(&node) => node,
                None => self.add(child, fresh()),
            };
            listing.insert(name, node);
            data = &data[11 + len..];
        }
        let at = self.by_inode[&inode];
        self.nodes[at] = Node::Dir(listing);
    }

    /// Writes what is left after the cut into `to`. `actual` is the directory as the process left it.
    pub fn cut(&self, actual: &Path, to: &Path, cut: Cut, chance: &mut Chance) {
        self.cut_dir(self.root, Some(actual), to, cut, chance);
    }

    fn cut_dir(&self, at: usize, actual: Option<&Path>, to: &Path, cut: Cut, chance: &mut Chance) {
        fs::create_dir_all(to).unwrap();
        let Node::Dir(durable) = &self.nodes[at] else { panic!("{} is no directory", to.display()) };
        let mut now = BTreeMap::new();
        for entry in actual.into_iter().filter_map(|path| fs::read_dir(path).ok()).flatten() {
            let entry = entry.unwrap();
            // What the shim has not seen being made is of no use to a durable name either.
            if let Some(&node) = self.by_inode.get(&entry.ino()) {
                now.insert(entry.file_name().into_string().unwrap(), node);
            }
        }
        let names: BTreeSet<_> = durable.keys().chain(now.keys()).collect();
        for name in names {
            let survives = match cut {
                Cut::Everything => false,
                Cut::Pages | Cut::Prefix => chance.one_in_two(),
            };
            let Some(&node) = (if survives { now.get(name) } else { durable.get(name) }) else { continue };
            let path = to.join(name);
            match &self.nodes[node] {
                Node::Dir(_) => {
                    let actual = actual.map(|path| path.join(name));
                    self.cut_dir(node, actual.as_deref(), &path, cut, chance);
                }
                Node::File(file) => write_sparse(&path, &file.after(cut, chance)),
            }
        }
    }
}

impl File {
    fn sync(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &pending);
        }
    }

    fn after(&self, cut: Cut, chance: &mut Chance) -> Vec<u8> {
        let mut content = self.durable.clone();
        if self.pending.is_empty() {
            return content;
        }
        match cut {
            Cut::Everything => {}
            Cut::Prefix => {
                let whole = chance.below(self.pending.len() as u64 + 1) as usize;
                self.pending[..whole].iter().for_each(|pending| apply(&mut content, pending));
                if let Some(Pending::Write(at, data)) = self.pending.get(whole) {
                    let len = chance.below(data.len() as u64) as usize;
                    apply(&mut content, &Pending::Write(*at, data[..len].to_vec()));
                }
            }
            Cut::Pages => {
                let mut whole = content.clone();
                self.pending.iter().for_each(|pending| apply(&mut whole, pending));
                if chance.one_in_two() {
                    content.resize(whole.len(), 0);
                }
                for at in (0..whole.len()).step_by(PAGE) {
                    let end = (at + PAGE).min(whole.len());
                    if content.get(at..end) != Some(&whole[at..end]) && chance.one_in_two() {
                        content.resize(content.len().max(end), 0);
                        content[at..end].copy_from_slice(&whole[at..end]);
                    }
                }
            }
        }
        content
    }
}

fn apply(content: &mut Vec<u8>, pending: &Pending) {
    match pending {
        Pending::Length(len) => content.resize(*len as usize, 0),
        Pending::Write(at, data) => {
            let (at, end) = (*at as usize, *at as usize + data.len());
            content.resize(content.len().max(end), 0);
            content[at..end].copy_from_slice(data);
        }
    }
}

/// Journals are mostly holes: those stay holes.
fn write_sparse(path: &Path, content: &[u8]) {
    let mut file = fs::File::create(path).unwrap();
    file.set_len(content.len() as u64).unwrap();
    for (n, chunk) in content.chunks(16 * PAGE).enumerate() {
        if chunk.iter().any(|&b| b != 0) {
            file.write_all_at(chunk, (n * 16 * PAGE) as u64).unwrap();
        }
    }
    file.flush().unwrap();
}
