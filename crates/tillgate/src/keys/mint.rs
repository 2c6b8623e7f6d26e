//! Making a credential: whom it proves, and a secret nobody can guess.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{
    Credential, CredentialId, CredentialKind, DeviceId, Dialect, GroupId, NetworkId, Permissions, PrincipalId, Role,
    Secret, Wall,
};

/// Whom a key is for: everything of a credential but its id, its secret and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) dialect: Dialect,
    pub(crate) role: Role,
    pub(crate) network: NetworkId,
    pub(crate) group: GroupId,
    pub(crate) principal: PrincipalId,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) name: Box<str>,
    pub(crate) permissions: Permissions,
}

impl Holder {
    /// A BOOP vendor: group, principal and the name it logs in with are all its id.
    pub(crate) fn vendor(network: &str, vendor: &str, name: Option<&str>) -> anyhow::Result<Self> {
        Ok(Self {
            dialect: Dialect::Boop,
            role: Role::Requester,
            network: NetworkId::parse(network).context("the network's name")?,
            group: GroupId::of(Dialect::Boop, vendor).context("the vendor's id")?,
            principal: PrincipalId::parse(vendor).context("the vendor's id")?,
            subject: Some(vendor.into()),
            device: None,
            name: name.unwrap_or(vendor).into(),
            permissions: Permissions::All,
        })
    }

    /// A BOOP scanner of a vendor.
    pub(crate) fn scanner(network: &str, vendor: &str, device: &str, name: Option<&str>) -> anyhow::Result<Self> {
        anyhow::ensure!(device != vendor, "a scanner needs a name of its own, not its vendor's id");
        Ok(Self {
            dialect: Dialect::Boop,
            role: Role::Performer,
            network: NetworkId::parse(network).context("the network's name")?,
            group: GroupId::of(Dialect::Boop, vendor).context("the vendor's id")?,
            principal: PrincipalId::parse(device).context("the device's id")?,
            subject: Some(device.into()),
            device: Some(DeviceId::parse(device).context("the device's id")?),
            name: name.unwrap_or(device).into(),
            permissions: Permissions::All,
        })
    }

    /// The holder of a credential, for its successor.
    pub(crate) fn of(credential: &Credential) -> Self {
        Self {
            dialect: credential.dialect,
            role: credential.role,
            network: credential.network.clone(),
            group: credential.group.clone(),
            principal: credential.principal.clone(),
            subject: credential.subject.clone(),
            device: credential.device.clone(),
            name: credential.name.clone(),
            permissions: credential.permissions.clone(),
        }
    }

    /// What the vendor's documentation lets a secret of this kind begin with.
    const fn prefix(&self) -> &'static str {
        match (self.dialect, self.role) {
            (Dialect::Boop, Role::Requester) => "sk_live_",
            (Dialect::Boop, Role::Performer) => "dk_live_",
            (Dialect::Modulus | Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay, _)
            | (Dialect::Boop, Role::Admin) => "tk_",
        }
    }
}

/// A fresh credential for a holder, and its secret, which is nowhere else.
pub(super) fn mint(holder: &Holder, now: Wall, expires_at: Option<Wall>) -> anyhow::Result<(Credential, Secret)> {
    let secret = fresh_secret(holder.prefix())?;
    Ok((credential(holder, &secret, now, expires_at)?, secret))
}

/// A secret nobody can guess.
pub(crate) fn fresh_secret(prefix: &str) -> anyhow::Result<Secret> {
    Ok(Secret::new(&format!("{prefix}{}", random::<32>()?)))
}

/// The credential by which a secret proves its holder.
pub(crate) fn credential(
    holder: &Holder,
    secret: &Secret,
    now: Wall,
    expires_at: Option<Wall>,
) -> anyhow::Result<Credential> {
    Ok(Credential {
        id: CredentialId::parse(&format!("key_{}", random::<12>()?)).context("a made-up id")?,
        dialect: holder.dialect,
        role: holder.role,
        network: holder.network.clone(),
        group: holder.group.clone(),
        principal: holder.principal.clone(),
        subject: holder.subject.clone(),
        device: holder.device.clone(),
        name: holder.name.clone(),
        secret: CredentialKind::Digest(secret.digest()),
        permissions: holder.permissions.clone(),
        created_at: now,
        expires_at,
        revoked_at: None,
    })
}

/// A number from the operating system, to start other randomness from.
pub(crate) fn random_number() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).context("the operating system gives no randomness")?;
    Ok(u64::from_ne_bytes(bytes))
}

/// So many bytes from the operating system, as text.
fn random<const BYTES: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).context("the operating system gives no randomness")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_256_bits_and_are_never_the_same() {
        let holder = Holder::vendor("default", "ven_1", None).unwrap();
        let now = Wall::from_millis(1);
        let (one, secret) = mint(&holder, now, None).unwrap();
        let (other, _) = mint(&holder, now, None).unwrap();
        assert_ne!(one.id, other.id);
        assert_ne!(one.secret, other.secret);
        let random = secret.reveal().strip_prefix("sk_live_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
    }

    #[test]
    fn a_scanner_is_not_called_like_its_vendor() {
        assert!(Holder::scanner("default", "ven_1", "ven_1", None).is_err());
    }
}
