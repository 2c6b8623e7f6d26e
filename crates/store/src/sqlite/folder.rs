//! The folder the data lies in: made for its owner only, and used by one gateway at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::StoreError;

/// The database within the folder.
const DATA: &str = "tillgate.db";
/// The key of the secrets that are sealed in it; made with the first of them.
const SEAL: &str = "seal.key";
/// The file whose lock says that a gateway uses the folder.
const LOCK: &str = "tillgate.lock";
/// How often, and after which pauses, a lock that is held is tried again before it is refused.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Makes the folder, if need be, and the empty database file in it. SQLite gives its other files the same mode.
pub(super) fn prepare(folder: &Path) -> Result<PathBuf, StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| failed(folder, &error))?;
    let data = folder.join(DATA);
    open_private(&data)?;
    Ok(data)
}

/// Where the key of the sealed secrets lies.
pub(super) fn seal(folder: &Path) -> PathBuf {
    folder.join(SEAL)
}

/// Takes the folder's lock; none when somebody has it. It goes with the file's handle, and with the process.
pub(super) fn try_lock(folder: &Path) -> Result<Option<File>, StoreError> {
    let path = folder.join(LOCK);
    let file = open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(&path, &error)),
    }
}

/// Takes the folder's lock, with a little patience: a process that was just killed, or one that is being born from this
/// one and still holds copies of its files, has it for a moment longer.
pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    for _ in 0..LOCK_TRIES {
        if let Some(file) = try_lock(folder)? {
            return Ok(file);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    try_lock(folder)?.ok_or_else(|| locked(folder))
}

/// The refusal of a second gateway.
pub(super) fn locked(folder: &Path) -> StoreError {
    StoreError::Locked(format!("another gateway is using the folder {}", folder.display()))
}

fn open_private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(Arc::from(format!("{}: {error}", path.display())))
}
