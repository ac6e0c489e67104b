//! The file of lines that were not recorded: each with its number, the reason, and itself.

use std::{
    fs::{self, File},
    io::{BufWriter, Read as _, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::files::{
    csv::append_record,
    error::FileError,
    source::{Rejected, STDIN},
};

const HEADER: [&str; 3] = ["line", "reason", "original"];

/// The file of lines that were not recorded. Made when the first one comes; that of an earlier
/// import goes when this one begins, so that what is there then is of this one.
pub struct RejectFile {
    path: PathBuf,
    output: Option<BufWriter<File>>,
    count: u64,
}

impl RejectFile {
    /// A file that is to have this path, for the lines of this input. Touches nothing.
    ///
    /// # Errors
    /// If it is the input itself, by this or another name, or a file of another kind; if what
    /// is there cannot be read.
    pub fn new(path: PathBuf, input: &Path) -> Result<Self, FileError> {
        if is_same_file(&path, input) {
            return Err(FileError::RejectsIntoInput { path });
        }
        match is_earlier(&path) {
            Ok(None | Some(true)) => {}
            Ok(Some(false)) => return Err(FileError::RejectsIntoOther { path }),
            Err(source) => return Err(FileError::Io { path, source }),
        }
        Ok(Self { path, output: None, count: 0 })
    }

    /// Removes that of an earlier import.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn begin(&self) -> Result<(), FileError> {
        let removed = match is_earlier(&self.path) {
            // The file itself where the path is a link to it: the link stays.
            Ok(Some(true)) => fs::canonicalize(&self.path).and_then(fs::remove_file),
            Ok(None | Some(false)) => Ok(()),
            Err(source) => Err(source),
        };
        removed.map_err(|source| FileError::Io { path: self.path.clone(), source })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds lines and has them written.
    ///
    /// # Errors
    /// If the file cannot be made or written.
    pub fn add(&mut self, rejected: &[Rejected]) -> Result<(), FileError> {
        if rejected.is_empty() {
            return Ok(());
        }
        self.write(rejected).map_err(|source| FileError::Io { path: self.path.clone(), source })
    }

    fn write(&mut self, rejected: &[Rejected]) -> std::io::Result<()> {
        let mut text = Vec::new();
        let output = match &mut self.output {
            Some(output) => output,
            none => {
                append_record(&mut text, HEADER.map(str::as_bytes));
                none.insert(BufWriter::new(File::create(&self.path)?))
            }
        };
        for Rejected { line, reason, raw } in rejected {
            append_record(&mut text, [line.to_string().as_bytes(), reason.as_bytes(), raw]);
            self.count += 1;
        }
        output.write_all(&text)?;
        output.flush()
    }
}

/// Whether what is there is the reject file of an earlier import; `None` if nothing is, or
/// no file but, say, a device.
fn is_earlier(path: &Path) -> std::io::Result<Option<bool>> {
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let mut header = Vec::new();
    append_record(&mut header, HEADER.map(str::as_bytes));
    let mut found = Vec::new();
    File::open(path)?.take(header.len() as u64).read_to_end(&mut found)?;
    Ok(Some(found.is_empty() || found == header))
}

/// Whether writing one would destroy the other. What is not there, or cannot be seen, shows
/// itself when it is opened.
fn is_same_file(rejects: &Path, input: &Path) -> bool {
    let input = if input == Path::new(STDIN) { Path::new("/dev/stdin") } else { input };
    let (Ok(rejects), Ok(input)) = (fs::metadata(rejects), fs::metadata(input)) else {
        return false;
    };
    // Devices such as a terminal or /dev/null may well be both.
    input.is_file() && (rejects.dev(), rejects.ino()) == (input.dev(), input.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn rejected() -> Vec<Rejected> {
        vec![Rejected { line: 2, reason: "is odd".to_owned(), raw: b"a,b".to_vec() }]
    }

    #[test]
    fn an_earlier_file_stays_until_the_next_import_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.rejected.csv");
        let other = Path::new("rows.csv");
        let begun = || {
            let rejects = RejectFile::new(path.clone(), other).expect("nothing is in its way");
            rejects.begin().expect("nothing is in its way");
            rejects
        };
        begun().add(&rejected()).expect("it can be written");
        let text = "line,reason,original\n2,is odd,\"a,b\"\n";
        assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
        drop(RejectFile::new(path.clone(), other).expect("nothing is in its way"));
        assert_eq!(fs::read_to_string(&path).expect("it is there still"), text);
        begun();
        assert!(!path.exists());
        // An empty file holds nothing that could be missed.
        fs::write(&path, "").expect("it can be written");
        begun();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_behind_a_link_is_replaced_where_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (link, path) = (folder.path().join("link"), folder.path().join("file"));
        symlink(&path, &link).expect("links can be made");
        for _ in 0..2 {
            let mut rejects =
                RejectFile::new(link.clone(), Path::new("a")).expect("nothing is in its way");
            rejects.begin().expect("nothing is in its way");
            assert!(!path.exists());
            rejects.add(&rejected()).expect("it can be written");
            assert!(path.exists() && link.is_symlink());
        }
    }

    #[test]
    fn what_is_no_file_of_rejected_lines_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mine");
        for text in ["line,reason\n", "line,reason,original,more\n", "x"] {
            fs::write(&path, text).expect("it can be written");
            let refused = RejectFile::new(path.clone(), Path::new("a"));
            assert!(matches!(refused, Err(FileError::RejectsIntoOther { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
        }
        assert!(RejectFile::new(PathBuf::from("/dev/null"), Path::new("a")).is_ok());
    }
}
