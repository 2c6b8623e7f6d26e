//! Who the peers are to the gateway: their keys, and how they present them.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::{
    Credential, CredentialId, CredentialKind, Dialect, GroupId, NetworkId, Permissions, PrincipalId, Request, Role,
    Secret, Wall,
};

use super::plan::{Peer, Plan};
use super::street::name;

pub(crate) fn credentials(plan: &Plan, now: Wall) -> Vec<Credential> {
    let tills = plan.tills.iter().enumerate().map(|(index, till)| (Peer::Till(index), till.group));
    let terminals = plan.terminals.iter().enumerate().map(|(index, terminal)| (Peer::Terminal(index), terminal.group));
    let made = tills.chain(terminals).map(|(peer, group)| {
        let name = name(peer);
        Credential {
            id: CredentialId::parse(&name).expect("a short name"),
            dialect: Dialect::Modulus,
            role: if matches!(peer, Peer::Till(_)) { Role::Requester } else { Role::Performer },
            network: NetworkId::parse("main").expect("a short name"),
            group: GroupId::of(Dialect::Modulus, &format!("g{group}")).expect("a short name"),
            principal: PrincipalId::parse(&name).expect("a short name"),
            subject: None,
            device: None,
            secret: CredentialKind::Signing {
                key: Secret::new(&format!("key-{name}")).digest(),
                secret: Secret::new(&format!("secret-{name}")),
            },
            name: name.into(),
            permissions: Permissions::All,
            certificate: None,
            created_at: now,
            expires_at: None,
            revoked_at: None,
        }
    });
    made.collect()
}

/// The upgrade of a peer, each from an address of its own.
pub(crate) fn upgrade(plan: &Plan, peer: Peer) -> Request {
    let mut headers = vec![("x-api-key".into(), format!("key-{}", name(peer)).into())];
    let (third, number) = match peer {
        Peer::Till(till) => (0_u8, till),
        Peer::Terminal(terminal) => {
            if plan.terminals[terminal].named {
                headers.push(("x-device-id".into(), name(peer).into()));
            }
            let metadata = STANDARD.encode(format!("{{\"n\":{terminal}}}"));
            headers.push(("x-terminal-metadata".into(), metadata.into()));
            (128, terminal)
        }
    };
    let [high, low] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    Request {
        method: "GET".into(),
        path: dialects::modulus::PATH.into(),
        query: Vec::new(),
        headers,
        body: Bytes::new(),
        peer: IpAddr::V4(Ipv4Addr::new(10, third, high, low)),
        certificate: None,
    }
}
