//! Secrets that a protocol needs in clear, encrypted under a key that lies beside the data in its own file.
//!
//! AES-256-GCM with a random nonce. The context, such as a credential's id, is bound to the secret: a sealed
//! secret moved to another row does not open there. What is sealed: one byte of version, the nonce, the rest.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use model::Secret;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// Why something could not be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealError {
    /// Others than the owner may read or write the key file.
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There is no key file, although secrets were sealed under one.
    Missing(PathBuf),
    /// The key file does not hold a key.
    Malformed(PathBuf),
    /// The key file could not be read or made.
    Io(String),
    /// The system gives no random bytes.
    NoRandomness,
    /// Not sealed under this key for this context, or damaged.
    Unreadable,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exposed { path, mode } => {
                write!(f, "key file {} has mode {mode:03o}; it must be 600, for its owner only", path.display())
            }
            Self::Missing(path) => {
                write!(f, "key file {} is not there; what was sealed under it opens with no other", path.display())
            }
            Self::Malformed(path) => write!(f, "key file {} does not hold {KEY_BYTES} bytes", path.display()),
            Self::Io(cause) => f.write_str(cause),
            Self::NoRandomness => f.write_str("the system gives no random bytes"),
            Self::Unreadable => f.write_str("not sealed under this key for this purpose, or damaged"),
        }
    }
}

impl std::error::Error for SealError {}

/// Seals and opens secrets under one key.
pub struct Seal(Aes256Gcm);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// Reads the key file, or makes one with mode 0600 when there is none.
    ///
    /// # Errors
    /// [`SealError`]; a key file that others may read is refused, not repaired: its secrets may be known.
    pub fn open_or_create(path: &Path) -> Result<Self, SealError> {
        let key = match read_key(path)? {
            Some(key) => key,
            None => {
                create_key(path)?;
                read_key(path)?.ok_or_else(|| SealError::Malformed(path.to_owned()))?
            }
        };
        Ok(Self(Aes256Gcm::new((&*key).into())))
    }

    /// Reads the key file of secrets that are there.
    ///
    /// # Errors
    /// As [`Self::open_or_create`], and [`SealError::Missing`].
    pub fn open(path: &Path) -> Result<Self, SealError> {
        let key = read_key(path)?.ok_or_else(|| SealError::Missing(path.to_owned()))?;
        Ok(Self(Aes256Gcm::new((&*key).into())))
    }

    /// Encrypts a secret for one context.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn seal(&self, context: &[u8], secret: &str) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let payload = Payload { msg: secret.as_bytes(), aad: context };
        let encrypted = self.0.encrypt(&Nonce::from(nonce), payload).map_err(|_| SealError::Unreadable)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + encrypted.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&encrypted);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] gave for the same context.
    ///
    /// # Errors
    /// [`SealError::Unreadable`].
    pub fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Secret, SealError> {
        let (&VERSION, rest) = sealed.split_first().ok_or(SealError::Unreadable)? else {
            return Err(SealError::Unreadable);
        };
        let (nonce, encrypted) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Unreadable)?;
        let payload = Payload { msg: encrypted, aad: context };
        let clear = self.0.decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new);
        let clear = clear.map_err(|_| SealError::Unreadable)?;
        std::str::from_utf8(&clear).map(Secret::new).map_err(|_| SealError::Unreadable)
    }
}

/// The key in the file; none when there is no file.
fn read_key(path: &Path) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, SealError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    refuse_exposed(path, &file)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    file.read_exact(&mut *key).map_err(|_| SealError::Malformed(path.to_owned()))?;
    match file.read(&mut [0]) {
        Ok(0) => Ok(Some(key)),
        Ok(_) => Err(SealError::Malformed(path.to_owned())),
        Err(error) => Err(failed(path, &error)),
    }
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), SealError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(|error| failed(path, &error))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SealError::Exposed { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> Result<(), SealError> {
    Ok(())
}

/// Makes a key file that is whole from the first moment; when another process was faster, its file stays.
fn create_key(path: &Path) -> Result<(), SealError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut *key).map_err(|_| SealError::NoRandomness)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let fresh = path.with_file_name(name);
    let written = write_new(&fresh, &*key).and_then(|()| match fs::hard_link(&fresh, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&fresh);
    written.and(removed).and_then(|()| sync_folder(path)).map_err(|error| failed(path, &error))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> SealError {
    SealError::Io(format!("key file {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_under_its_key_and_context_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        let seal = Seal::open_or_create(&path).unwrap();
        let sealed = seal.seal(b"key-1", "sk_live_1234").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"1234"));
        assert_eq!(seal.unseal(b"key-1", &sealed).unwrap().reveal(), "sk_live_1234");
        assert_eq!(seal.unseal(b"key-2", &sealed), Err(SealError::Unreadable));
        assert_ne!(seal.seal(b"key-1", "sk_live_1234").unwrap(), sealed);

        let again = Seal::open_or_create(&path).unwrap();
        assert_eq!(again.unseal(b"key-1", &sealed).unwrap().reveal(), "sk_live_1234");
        let other = Seal::open_or_create(&folder.path().join("other.key")).unwrap();
        assert_eq!(other.unseal(b"key-1", &sealed), Err(SealError::Unreadable));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn damage_is_seen_and_does_not_panic() {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::open_or_create(&folder.path().join("seal.key")).unwrap();
        let sealed = seal.seal(b"", "secret").unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(seal.unseal(b"", &damaged), Err(SealError::Unreadable), "byte {at}");
            assert_eq!(seal.unseal(b"", &sealed[..at]), Err(SealError::Unreadable), "cut at {at}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        Seal::open_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Seal::open_or_create(&path).unwrap_err();
        assert_eq!(refused, SealError::Exposed { path: path.clone(), mode: 0o640 });
        assert!(refused.to_string().ends_with("has mode 640; it must be 600, for its owner only"));
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        for bytes in [&b"short"[..], &[7; 33]] {
            let _ = fs::remove_file(&path);
            write_new(&path, bytes).unwrap();
            assert_eq!(Seal::open_or_create(&path).unwrap_err(), SealError::Malformed(path.clone()));
        }
    }
}
