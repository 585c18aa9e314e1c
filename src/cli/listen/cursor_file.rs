//! A file that holds a cursor: replaced whole, so that whoever reads it finds the old one or the new one.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// The file, and the cursor in it.
#[derive(Debug)]
pub struct CursorFile {
    path: PathBuf,
    cursor: Option<String>,
}

impl CursorFile {
    /// Reads it; a file that is not there yet holds no cursor. Anything that is no cursor is not guessed at.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let shown = path.display();
        let cursor = match fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(format!("cannot read the cursor file {shown}: {error}")),
        };
        if cursor.as_deref().is_some_and(|cursor| !is_cursor(cursor)) {
            return Err(format!("{shown} holds no cursor; remove it to begin anew, or name another file"));
        }
        Ok(Self { path, cursor })
    }

    /// What it holds.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Puts this cursor in its place, durably.
    pub fn save(&mut self, cursor: &str) -> Result<(), String> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let written = File::create(&beside)
            .and_then(|mut file| {
                file.write_all(cursor.as_bytes())?;
                file.write_all(b"\n")?;
                file.sync_data()
            })
            .and_then(|()| fs::rename(&beside, &self.path));
        written.map_err(|error| {
            format!("cannot write the cursor file {}: {error}; is its directory there?", self.path.display())
        })?;
        self.cursor = Some(cursor.to_owned());
        Ok(())
    }
}

fn is_cursor(text: &str) -> bool {
    (1..=crate::limits::CURSOR_TEXT).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_last_cursor_and_refuses_what_is_none() {
        let directory = std::env::temp_dir().join(format!("corepost-cursor-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("cursor");
        let mut file = CursorFile::open(path.clone()).unwrap();
        assert_eq!(file.cursor(), None);
        file.save("1abc").unwrap();
        file.save("1abd").unwrap();
        assert_eq!(CursorFile::open(path.clone()).unwrap().cursor(), Some("1abd"));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
        for bad in ["", "\n", "Not a cursor"] {
            fs::write(&path, bad).unwrap();
            assert!(CursorFile::open(path.clone()).unwrap_err().contains("holds no cursor"), "{bad:?}");
        }
        assert!(file.save("1abe").is_ok(), "what is broken is replaced by who has better");
        fs::remove_dir_all(&directory).unwrap();
        assert!(file.save("1abf").unwrap_err().contains("is its directory there?"));
    }
}
