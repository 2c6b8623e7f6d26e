//! Credentials: made, ended at once or with an overlap, and noticed by others.

use std::collections::BTreeSet;

use model::{Credential, CredentialId, DeviceId, Dialect, Digest, Permissions, Role};

use super::Place;
use super::given::*;
use crate::{Inspect, StoreError};

fn one(store: &dyn Inspect, name: &str) -> Credential {
    store.credentials().unwrap().into_iter().find(|credential| credential.id.as_str() == name).unwrap()
}

fn named(name: &str) -> CredentialId {
    CredentialId::parse(name).unwrap()
}

pub(crate) fn credentials_come_back_as_they_were_oldest_first(place: &impl Place) {
    let mut store = place.open();
    let full = Credential {
        dialect: Dialect::Fd1,
        role: Role::Performer,
        subject: Some("vendor \"7\"".into()),
        device: Some(DeviceId::parse("device-001").unwrap()),
        permissions: Permissions::Only(BTreeSet::from(["create, context".into(), "ü\n".into()])),
        expires_at: Some(wall(90)),
        ..credential("full", 5)
    };
    let none = Credential { permissions: Permissions::Only(BTreeSet::new()), ..credential("none", 5) };
    let old = Credential { revoked_at: Some(wall(1)), role: Role::Admin, ..credential("old", 1) };
    store.add_credentials(&[full.clone(), none.clone(), old.clone()]).unwrap();
    assert_eq!(store.credentials().unwrap(), [old.clone(), full.clone(), none.clone()]);
    drop(store);
    assert_eq!(place.open().credentials().unwrap(), [old, full, none]);
}

pub(crate) fn a_credential_may_need_a_certificate(place: &impl Place) {
    let mut store = place.open();
    let bound = Credential { certificate: Some(Digest::of(b"certificate")), ..credential("bound", 1) };
    let both = Credential { certificate: Some(Digest([0; 32])), ..signing("both", 2) };
    store.add_credentials(&[bound.clone(), both.clone(), credential("free", 3)]).unwrap();
    drop(store);
    assert_eq!(place.open().credentials().unwrap(), [bound, both, credential("free", 3)]);
}

pub(crate) fn a_signing_secret_comes_back_as_it_was(place: &impl Place) {
    let mut store = place.open();
    store.add_credentials(&[signing("a", 1), credential("b", 2)]).unwrap();
    assert_eq!(store.credentials().unwrap(), [signing("a", 1), credential("b", 2)]);
    drop(store);
    let mut store = place.open();
    store.add_credentials(&[signing("c", 3)]).unwrap();
    assert!(store.end_credential(&named("a"), wall(9), wall(9)).unwrap());
    let revoked = Credential { revoked_at: Some(wall(9)), ..signing("a", 1) };
    assert_eq!(store.credentials().unwrap(), [revoked, credential("b", 2), signing("c", 3)]);
    let taken = store.add_credentials(&[signing("d", 4), signing("c", 4)]);
    assert_eq!(taken, Err(StoreError::Exists("there is a credential c already".to_owned())));
}

pub(crate) fn credentials_are_added_all_or_none(place: &impl Place) {
    let mut store = place.open();
    store.add_credentials(&[credential("a", 1)]).unwrap();
    let taken = store.add_credentials(&[credential("b", 1), credential("a", 2)]);
    assert_eq!(taken, Err(StoreError::Exists("there is a credential a already".to_owned())));
    let twice = store.add_credentials(&[credential("c", 1), credential("c", 2)]);
    assert_eq!(twice, Err(StoreError::Exists("there is a credential c already".to_owned())));
    assert_eq!(store.credentials().unwrap(), [credential("a", 1)]);
}

pub(crate) fn a_rotation_overlaps(place: &impl Place) {
    let mut store = place.open();
    store.add_credentials(&[credential("old", 1)]).unwrap();
    // The new one comes and the old one stays good for a minute.
    store.add_credentials(&[credential("new", 10)]).unwrap();
    assert!(store.end_credential(&named("old"), wall(70), wall(10)).unwrap());
    let old = one(&*store, "old");
    assert_eq!((old.expires_at, old.revoked_at), (Some(wall(70)), None));
    assert_eq!(one(&*store, "new").expires_at, None);
    // An end is never moved further away, but may come nearer.
    assert!(store.end_credential(&named("old"), wall(90), wall(11)).unwrap());
    assert_eq!(one(&*store, "old").expires_at, Some(wall(70)));
    assert!(store.end_credential(&named("old"), wall(60), wall(12)).unwrap());
    assert_eq!(one(&*store, "old").expires_at, Some(wall(60)));
    // Ended now is revoked; what is over cannot be ended.
    assert!(store.end_credential(&named("new"), wall(20), wall(20)).unwrap());
    let new = one(&*store, "new");
    assert_eq!((new.expires_at, new.revoked_at), (None, Some(wall(20))));
    assert!(!store.end_credential(&named("new"), wall(30), wall(20)).unwrap());
    assert!(!store.end_credential(&named("old"), wall(60), wall(60)).unwrap());
    assert!(!store.end_credential(&named("nobody"), wall(60), wall(60)).unwrap());
    assert_eq!(one(&*store, "old").revoked_at, None);
}

pub(crate) fn every_change_has_a_version(place: &impl Place) {
    let mut store = place.open();
    let mut last = store.credentials_version().unwrap();
    let mut changed = |store: &dyn Inspect| {
        let version = store.credentials_version().unwrap();
        std::mem::replace(&mut last, version) != version
    };
    store.add_credentials(&[credential("a", 1)]).unwrap();
    assert!(changed(&*store));
    assert!(store.end_credential(&named("a"), wall(70), wall(10)).unwrap());
    assert!(changed(&*store));
    assert!(store.add_credentials(&[credential("b", 1), credential("a", 1)]).is_err());
    assert!(!store.end_credential(&named("b"), wall(1), wall(1)).unwrap());
    store.add_credentials(&[]).unwrap();
    own(&mut *store);
    assert!(!changed(&*store));
    drop(store);
    assert!(!changed(&*place.open()));
}
