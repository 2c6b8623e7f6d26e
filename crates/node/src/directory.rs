//! Who a presented credential proves: a read-mostly picture of the stored credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    Credential, CredentialId, CredentialKind, Denied, Dialect, Digest, Partition, Principal, Proof, Role, Secret, Wall,
};

/// Every credential of the store as it was at one moment. Shared by all cores, replaced as a whole.
#[derive(Debug, Default)]
pub struct Directory {
    by_digest: BTreeMap<[u8; 32], Vec<Entry>>,
    by_id: BTreeMap<CredentialId, [u8; 32]>,
}

/// What somebody presents to prove who it is.
#[derive(Debug)]
pub struct Presented<'a> {
    /// The role of the door it stands at; none where its credential decides that.
    pub role: Option<Role>,
    /// The name beside the secret.
    pub subject: Option<&'a str>,
    /// The secret, or the key of a secret that is never sent.
    pub secret: &'a Secret,
    /// What was signed with that.
    pub proof: Option<&'a Proof>,
    /// The digest of the client certificate its connection showed.
    pub certificate: Option<Digest>,
}

#[derive(Debug)]
struct Entry {
    principal: Arc<Principal>,
    subject: Option<Box<str>>,
    /// What its holder signs with.
    signing: Option<Secret>,
    certificate: Option<Digest>,
    expires_at: Option<Wall>,
    revoked: bool,
}

impl Entry {
    /// Whom it proves now, on a connection that showed this certificate.
    fn proves(&self, wall: Wall, certificate: Option<Digest>) -> Result<Arc<Principal>, Denied> {
        if self.revoked {
            return Err(Denied::Revoked);
        }
        if self.expires_at.is_some_and(|end| end <= wall) {
            return Err(Denied::Expired);
        }
        if self.certificate.is_some() && self.certificate != certificate {
            return Err(Denied::WrongCertificate);
        }
        Ok(Arc::clone(&self.principal))
    }
}

impl Directory {
    /// The picture of these credentials.
    #[must_use]
    pub fn new(credentials: Vec<Credential>) -> Self {
        let mut directory = Self::default();
        for credential in credentials {
            let (digest, signing) = match credential.secret {
                CredentialKind::Digest(digest) => (digest, None),
                CredentialKind::Signing { key, secret } => (key, Some(secret)),
            };
            directory.by_id.insert(credential.id.clone(), digest.0);
            directory.by_digest.entry(digest.0).or_default().push(Entry {
                subject: credential.subject,
                signing,
                certificate: credential.certificate,
                expires_at: credential.expires_at,
                revoked: credential.revoked_at.is_some(),
                principal: Arc::new(Principal {
                    id: credential.principal,
                    dialect: credential.dialect,
                    network: credential.network,
                    partition: Partition::of(&credential.group),
                    group: credential.group,
                    role: credential.role,
                    device: credential.device,
                    credential: credential.id,
                    name: credential.name,
                    permissions: credential.permissions,
                }),
            });
        }
        directory
    }

    /// Who this secret proves at this door, or why not.
    ///
    /// The look-up goes by the secret's SHA-256, so what its timing shows is of no use to a guesser.
    ///
    /// # Errors
    /// [`Denied`], never saying whether the name or the secret was wrong.
    pub fn authenticate(
        &self,
        wall: Wall,
        dialect: Dialect,
        presented: &Presented<'_>,
    ) -> Result<Arc<Principal>, Denied> {
        let entries = self.by_digest.get(&presented.secret.digest().0).map_or(&[][..], Vec::as_slice);
        let entry = entries
            .iter()
            .find(|entry| entry.principal.dialect == dialect && entry.subject.as_deref() == presented.subject)
            .ok_or(Denied::Unknown)?;
        if presented.role.is_some_and(|role| entry.principal.role != role) {
            return Err(Denied::WrongRole);
        }
        let principal = entry.proves(wall, presented.certificate)?;
        let signed = |proof: &Proof| entry.signing.as_ref().is_some_and(|it| it.signed(&proof.message, &proof.mac));
        if presented.proof.is_some_and(|proof| !signed(proof)) {
            return Err(Denied::BadProof);
        }
        Ok(principal)
    }

    /// Whether a credential that once was good still is.
    #[must_use]
    pub fn is_good(&self, id: &CredentialId, wall: Wall) -> bool {
        let Some(entries) = self.by_id.get(id).and_then(|digest| self.by_digest.get(digest)) else { return false };
        entries.iter().any(|entry| {
            entry.principal.credential == *id && !entry.revoked && entry.expires_at.is_none_or(|end| end > wall)
        })
    }

    /// Who an operator's key proves, or why not; the look-up goes by its SHA-256, as everybody's.
    ///
    /// # Errors
    /// [`Denied`]; a key of another role is none.
    pub fn operator(&self, wall: Wall, secret: &Secret, certificate: Option<Digest>) -> Result<Arc<Principal>, Denied> {
        let entries = self.by_digest.get(&secret.digest().0).map_or(&[][..], Vec::as_slice);
        let entry = entries.iter().find(|entry| entry.subject.is_none()).ok_or(Denied::Unknown)?;
        if entry.principal.role != Role::Admin {
            return Err(Denied::WrongRole);
        }
        entry.proves(wall, certificate)
    }

    /// When the next good credential expires, so that its sessions can be ended then.
    #[must_use]
    pub fn next_expiry(&self, wall: Wall) -> Option<Wall> {
        self.by_digest
            .values()
            .flatten()
            .filter(|entry| !entry.revoked)
            .filter_map(|entry| entry.expires_at)
            .filter(|end| *end > wall)
            .min()
    }
}
