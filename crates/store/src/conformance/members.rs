//! Members: who they are, what is known of them, what they have.

use std::collections::{BTreeMap, BTreeSet};

use model::{Currency, Member, MemberId, Money, NetworkId, Side};

use super::Place;
use super::given::*;
use crate::StoreError;

pub(crate) fn a_member_comes_back_as_it_was(place: &impl Place) {
    let mut store = place.open();
    let euros = Money { minor: -5, currency: Currency::parse("EUR").unwrap() };
    let shy = Member { groups: Some(BTreeSet::from([shop(1), shop(2)])), balance: euros, ..person("shy") };
    let bare =
        Member { groups: Some(BTreeSet::new()), attributes: BTreeMap::new(), subjects: vec![], ..person("bare") };
    for member in [&person("ann"), &shy, &bare] {
        store.put_member(member).unwrap();
    }
    drop(store);
    let store = place.open();
    for member in [person("ann"), shy, bare] {
        assert_eq!(store.member(&network(), &member.id).unwrap(), Some(member));
    }
    assert_eq!(store.member(&network(), &MemberId::parse("nobody").unwrap()).unwrap(), None);
    assert_eq!(store.member(&NetworkId::parse("elsewhere").unwrap(), &person("ann").id).unwrap(), None);
    let names: Vec<String> = store.accounts().unwrap().iter().map(|account| account.member.to_string()).collect();
    assert_eq!(names, ["ann", "bare", "shy"]);
}

pub(crate) fn replacing_a_member_keeps_the_balance(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    store.put_member(&person("ann")).unwrap();
    write(&mut *store, 1, fence, vec![accepted(1, 0)]);
    commit(&mut *store, answering(fence, settle(1, 0, Some("ann-left"), "pay 2500"))).unwrap();
    let mut changed = Member { balance: usd(1), groups: Some(BTreeSet::from([shop(1)])), ..person("ann") };
    changed.attributes.remove("age");
    changed.subjects = vec![("ann-new".into(), Side::Left), ("ann-left".into(), Side::Right)];
    store.put_member(&changed).unwrap();
    store.put_member(&changed).unwrap();
    let stored = store.member(&network(), &changed.id).unwrap().unwrap();
    assert_eq!(stored, Member { balance: usd(7_500), ..changed });
    assert!(store.accounts().unwrap()[0].adds_up());
    // The sample that was taken away means nobody now.
    write(&mut *store, 1, fence, vec![accepted(1, 1)]);
    let answer = commit(&mut *store, answering(fence, settle(1, 1, Some("ann-right"), "pay 1")));
    assert_eq!(answer, Ok(vec![model::Settled::Outcome(declined("nobody"))]));
}

pub(crate) fn a_subject_belongs_to_one_member(place: &impl Place) {
    let mut store = place.open();
    store.put_member(&person("ann")).unwrap();
    let before = everything(&*store);
    let thief =
        Member { subjects: vec![("free".into(), Side::Left), ("ann-left".into(), Side::Left)], ..person("bob") };
    let taken = Err(StoreError::Exists("a subject of member bob is taken already".to_owned()));
    assert_eq!(store.put_member(&thief), taken);
    let twice = Member { subjects: vec![("one".into(), Side::Left), ("one".into(), Side::Right)], ..person("bob") };
    assert_eq!(store.put_member(&twice), taken);
    assert_eq!(everything(&*store), before);
    // In another network the same subject is somebody else's.
    let elsewhere = NetworkId::parse("elsewhere").unwrap();
    store.put_member(&Member { network: elsewhere, ..thief }).unwrap();
}
