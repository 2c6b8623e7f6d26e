//! Making a credential: whom it proves, and a secret nobody can guess.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{
    Credential, CredentialId, CredentialKind, DeviceId, Dialect, Digest, GroupId, NetworkId, Permissions, PrincipalId,
    Role, Secret, Wall,
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
    pub(crate) certificate: Option<Digest>,
    pub(crate) permissions: Permissions,
}

/// A fresh credential, and what its holder is told of it, which is nowhere else.
pub(super) struct Made {
    pub(super) credential: Credential,
    /// In the words of the vendor's documentation.
    pub(super) secrets: Vec<(&'static str, Secret)>,
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
            certificate: None,
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
            certificate: None,
            permissions: Permissions::All,
        })
    }

    /// A Modulus till. Nothing but its key says who it is, so every key proves somebody else.
    pub(crate) fn till(network: &str, group: &str, name: Option<&str>) -> anyhow::Result<Self> {
        Ok(Self {
            dialect: Dialect::Modulus,
            role: Role::Requester,
            network: NetworkId::parse(network).context("the network's name")?,
            group: GroupId::of(Dialect::Modulus, group).context("the group's name")?,
            principal: PrincipalId::parse(&format!("till_{}", random::<12>()?)).context("a made-up id")?,
            subject: None,
            device: None,
            name: name.unwrap_or(group).into(),
            certificate: None,
            permissions: Permissions::All,
        })
    }

    /// A Modulus terminal; without a device's id, all those of the group that come with the key.
    pub(crate) fn terminal(
        network: &str,
        group: &str,
        device: Option<&str>,
        name: Option<&str>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            role: Role::Performer,
            principal: PrincipalId::parse(&format!("terminal_{}", random::<12>()?)).context("a made-up id")?,
            device: device.map(DeviceId::parse).transpose().context("the device's id")?,
            ..Self::till(network, group, name.or(device))?
        })
    }

    /// An operator, of one group or of every one. Where it is every one the dialect means nothing; the table wants one.
    pub(crate) fn operator(network: &str, group: GroupId, name: Option<&str>) -> anyhow::Result<Self> {
        Ok(Self {
            dialect: group.dialect().unwrap_or(Dialect::ALL[0]),
            role: Role::Admin,
            network: NetworkId::parse(network).context("the network's name")?,
            principal: PrincipalId::parse(&format!("operator_{}", random::<12>()?)).context("a made-up id")?,
            subject: None,
            device: None,
            name: name.unwrap_or("operator").into(),
            certificate: None,
            permissions: Permissions::All,
            group,
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
            certificate: credential.certificate,
            permissions: credential.permissions.clone(),
        }
    }
}

/// A fresh credential for a holder.
pub(super) fn mint(holder: &Holder, now: Wall, expires_at: Option<Wall>) -> anyhow::Result<Made> {
    let (kind, secrets) = match (holder.dialect, holder.role) {
        (_, Role::Admin) => plain("token", fresh_secret("op_live_")?),
        (Dialect::Boop, Role::Requester) => plain("secret", fresh_secret("sk_live_")?),
        (Dialect::Boop, Role::Performer) => plain("secret", fresh_secret("dk_live_")?),
        (Dialect::Modulus, Role::Requester) => {
            let (key, secret) = (fresh_secret("mk_live_")?, fresh_secret("ms_live_")?);
            let kind = CredentialKind::Signing { key: key.digest(), secret: secret.clone() };
            (kind, vec![("api_key", key), ("api_secret", secret)])
        }
        (Dialect::Modulus, Role::Performer) => plain("api_key", fresh_secret("mt_live_")?),
        (Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay, Role::Requester | Role::Performer) => {
            plain("secret", fresh_secret("tk_")?)
        }
    };
    Ok(Made { credential: credential(holder, kind, now, expires_at)?, secrets })
}

/// A secret that is presented as it is.
fn plain(word: &'static str, secret: Secret) -> (CredentialKind, Vec<(&'static str, Secret)>) {
    (CredentialKind::Digest(secret.digest()), vec![(word, secret)])
}

/// A secret nobody can guess.
pub(crate) fn fresh_secret(prefix: &str) -> anyhow::Result<Secret> {
    Ok(Secret::new(&format!("{prefix}{}", random::<32>()?)))
}

/// The credential that proves its holder by what is kept of a secret.
pub(crate) fn credential(
    holder: &Holder,
    secret: CredentialKind,
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
        secret,
        certificate: holder.certificate,
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
        let [one, other] = [(); 2].map(|()| mint(&holder, now, None).unwrap());
        assert_ne!(one.credential.id, other.credential.id);
        assert_ne!(one.credential.secret, other.credential.secret);
        let random = one.secrets[0].1.reveal().strip_prefix("sk_live_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
    }

    #[test]
    fn every_key_of_a_modulus_group_proves_somebody_else_and_its_successor_the_same() {
        let [one, other] = [(); 2].map(|()| Holder::till("default", "store-1", None).unwrap());
        assert_ne!(one.principal, other.principal);
        let made = mint(&one, Wall::from_millis(1), None).unwrap();
        assert_eq!(Holder::of(&made.credential), one);
        let [(_, key), (_, secret)] = &made.secrets[..] else { panic!("a key and a secret") };
        let CredentialKind::Signing { key: kept, secret: signing } = &made.credential.secret else { panic!("signing") };
        assert!(*kept == key.digest() && signing == secret && key != secret);
    }

    #[test]
    fn a_scanner_is_not_called_like_its_vendor() {
        assert!(Holder::scanner("default", "ven_1", "ven_1", None).is_err());
    }
}
