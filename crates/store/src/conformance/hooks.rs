//! Webhook endpoints, and what they are to be told.

use std::collections::BTreeSet;

use model::{
    Announce, Endpoint, EndpointId, EndpointWork, EndpointsDone, Fence, Notice, Occasion, Opaque, OperationRow, Secret,
    Tried, Wall, Write,
};

use super::Place;
use super::given::{accepted, at, batch, completed, ended, home, id, shop, signing, wall};
use crate::{Horizon, Inspect, StoreError};

fn endpoint(shop_number: u64, name: &str, events: &[&str]) -> Endpoint {
    Endpoint {
        id: EndpointId::parse(name).unwrap(),
        group: shop(shop_number),
        url: format!("https://hooks.example.test/{name}").into(),
        events: events.iter().map(|event| (*event).into()).collect(),
        active: true,
        secret: Secret::new(&format!("whsec_{name}")),
        description: Some("the till's".into()),
        metadata: Some(Opaque::from_static(b"{\"lane\":7}")),
        created_at: wall(1),
        updated_at: wall(1),
    }
}

fn add(store: &mut dyn Inspect, endpoint: &Endpoint) -> EndpointsDone {
    let add = EndpointWork::Add { endpoint: Box::new(endpoint.clone()), most: 2 };
    store.endpoints(&endpoint.group, &add).unwrap()
}

fn listed(store: &mut dyn Inspect, shop_number: u64) -> Vec<Endpoint> {
    match store.endpoints(&shop(shop_number), &EndpointWork::List).unwrap() {
        EndpointsDone::Listed(endpoints) => endpoints,
        other => panic!("{other:?}"),
    }
}

/// Announces `late` and `ended`.
fn print(announce: &Announce, row: &OperationRow, endpoint: &EndpointId) -> Option<Notice> {
    let event = match announce.occasion {
        Occasion::Late(_) => "late",
        Occasion::Ended => "ended",
    };
    let body = format!("{} {event} {}", row.key, row.outcome.is_some());
    Some(Notice { event, id: format!("{}-{event}-{endpoint}", row.key).into(), body: body.into_bytes().into() })
}

fn announce(shop: u64, n: u64, occasion: Occasion, seconds: u64) -> Announce {
    Announce { operation: id(shop, n), occasion, at: at(seconds), wall: wall(seconds), print }
}

/// Accepted at its own second, late 90 s later.
fn accept(store: &mut dyn Inspect, fence: Fence, n: u64) {
    let mut commit = batch(1, fence, vec![accepted(1, n)]);
    commit.announces.push(announce(1, n, Occasion::Late(at(n + 90)), n));
    store.commit(&[commit]).remove(0).unwrap();
}

fn end(store: &mut dyn Inspect, fence: Fence, n: u64, seconds: u64) {
    let mut commit = batch(1, fence, vec![ended(1, n, completed("done"))]);
    commit.announces.push(announce(1, n, Occasion::Ended, seconds));
    store.commit(&[commit]).remove(0).unwrap();
}

/// An open store with the two endpoints `a`, which wants everything, and `b`, which wants ends only.
fn opened(place: &impl Place) -> (Box<dyn Inspect>, Fence) {
    let mut store = place.open();
    store.add_credentials(&[signing("key", 1)]).unwrap();
    let fence = store.load(&[home(1)], Horizon::at(at(0))).unwrap()[0].fence;
    assert_eq!(add(&mut *store, &endpoint(1, "a", &["late", "ended"])), EndpointsDone::Made);
    assert_eq!(add(&mut *store, &endpoint(1, "b", &["ended"])), EndpointsDone::Made);
    (store, fence)
}

/// Event and body of what is due.
fn due(store: &dyn Inspect, seconds: u64) -> Vec<(String, String)> {
    let due = store.deliveries(at(seconds), &BTreeSet::new(), 100).unwrap();
    due.iter().map(|each| (each.event.to_string(), String::from_utf8_lossy(&each.body).into_owned())).collect()
}

fn events(store: &dyn Inspect, seconds: u64) -> Vec<String> {
    due(store, seconds).into_iter().map(|(event, _)| event).collect()
}

pub(super) fn endpoints_come_back_as_they_were_up_to_a_bound(place: &impl Place) {
    let (store, _) = opened(place);
    drop(store);
    let mut store = place.open();
    let (a, b) = (endpoint(1, "a", &["late", "ended"]), endpoint(1, "b", &["ended"]));
    assert_eq!(listed(&mut *store, 1), [a, b]);
    assert_eq!(listed(&mut *store, 2), []);
    assert_eq!(add(&mut *store, &endpoint(1, "c", &["ended"])), EndpointsDone::Full);
    let add = EndpointWork::Add { endpoint: Box::new(endpoint(2, "a", &[])), most: 2 };
    assert!(matches!(store.endpoints(&shop(2), &add), Err(StoreError::Exists(_))));
}

pub(super) fn an_endpoint_is_changed_and_removed_by_its_own_group_only(place: &impl Place) {
    let (mut store, _) = opened(place);
    let other = Endpoint {
        url: "https://elsewhere.example.test/".into(),
        events: vec!["late".into()],
        active: false,
        secret: Secret::new("not taken"),
        description: None,
        metadata: None,
        created_at: Wall::from_millis(0),
        updated_at: wall(9),
        ..endpoint(1, "a", &[])
    };
    let change = EndpointWork::Change(Box::new(other.clone()));
    assert_eq!(store.endpoints(&shop(2), &change).unwrap(), EndpointsDone::Missing);
    assert_eq!(store.endpoints(&shop(1), &change).unwrap(), EndpointsDone::Made);
    let kept = Endpoint { secret: Secret::new("whsec_a"), created_at: wall(1), ..other };
    assert_eq!(listed(&mut *store, 1)[0], kept);

    let remove = EndpointWork::Remove(kept.id);
    assert_eq!(store.endpoints(&shop(2), &remove).unwrap(), EndpointsDone::Missing);
    assert_eq!(store.endpoints(&shop(1), &remove).unwrap(), EndpointsDone::Made);
    assert_eq!(store.endpoints(&shop(1), &remove).unwrap(), EndpointsDone::Missing);
    assert_eq!(listed(&mut *store, 1).len(), 1);
}

pub(super) fn each_endpoint_is_told_what_it_wants(place: &impl Place) {
    let (mut store, fence) = opened(place);
    accept(&mut *store, fence, 1);
    assert_eq!(store.next_delivery(&BTreeSet::new()).unwrap(), Some(at(91)));
    assert_eq!(due(&*store, 90), []);
    assert_eq!(due(&*store, 91), [("key-1-late-a".to_owned(), "key-1 late false".to_owned())]);
    drop(store);
    let mut store = place.open();
    let fence = store.load(&[home(1)], Horizon::at(at(0))).unwrap()[0].fence;
    end(&mut *store, fence, 1, 20);
    let told = |name: &str| (format!("key-1-ended-{name}"), "key-1 ended true".to_owned());
    assert_eq!(due(&*store, 91), [told("a"), told("b")], "an outcome in time takes the other back");
    let first = &store.deliveries(at(91), &BTreeSet::new(), 1).unwrap()[0];
    assert_eq!((&*first.url, first.secret.reveal()), ("https://hooks.example.test/a", "whsec_a"));
    end(&mut *store, fence, 1, 21);
    assert_eq!(events(&*store, 91).len(), 2, "announced twice is announced once");
}

pub(super) fn what_is_late_is_told_before_the_outcome(place: &impl Place) {
    let (mut store, fence) = opened(place);
    accept(&mut *store, fence, 1);
    let late = store.deliveries(at(91), &BTreeSet::new(), 4).unwrap().remove(0);
    let busy = BTreeSet::from([late.place]);
    assert_eq!(store.deliveries(at(91), &busy, 4).unwrap(), []);
    assert_eq!(store.next_delivery(&busy).unwrap(), None);
    end(&mut *store, fence, 1, 95);
    let free: Vec<_> = store.deliveries(at(95), &busy, 4).unwrap().into_iter().map(|each| each.event).collect();
    assert_eq!(free, ["key-1-ended-b".into()], "it waits where the other is on its way");
    store.delivery_tried(late.place, Tried::Again(at(900))).unwrap();
    assert_eq!(events(&*store, 95), ["key-1-ended-b"]);
    assert_eq!(events(&*store, 900), ["key-1-late-a", "key-1-ended-b"]);
    let again = store.deliveries(at(900), &BTreeSet::new(), 4).unwrap().remove(0);
    assert_eq!((again.place, again.tries, &again.body), (late.place, 1, &late.body));
    store.delivery_tried(late.place, Tried::GivenUp).unwrap();
    assert_eq!(events(&*store, 900), ["key-1-ended-a", "key-1-ended-b"]);
    for each in store.deliveries(at(900), &BTreeSet::new(), 4).unwrap() {
        store.delivery_tried(each.place, Tried::Delivered).unwrap();
    }
    assert_eq!(events(&*store, 9_000), [""; 0]);
    let kept = store.kept_deliveries(id(1, 1)).unwrap();
    let kept: Vec<_> = kept.iter().map(|each| (&*each.event, each.tries, each.due, each.delivered)).collect();
    assert_eq!(
        kept,
        [("key-1-late-a", 2, None, false), ("key-1-ended-a", 1, None, true), ("key-1-ended-b", 1, None, true)]
    );
}

pub(super) fn a_few_are_due_at_a_time_and_none_where_nothing_is_delivered(place: &impl Place) {
    let (mut store, fence) = opened(place);
    for n in 1..=5 {
        accept(&mut *store, fence, n);
        end(&mut *store, fence, n, 10 + n);
    }
    let few = store.deliveries(at(99), &BTreeSet::new(), 2).unwrap();
    let names: Vec<_> = few.iter().map(|each| &*each.event).collect();
    assert_eq!(names, ["key-1-ended-a", "key-2-ended-a", "key-1-ended-b", "key-2-ended-b"]);
    let busy: BTreeSet<u64> = few.iter().map(|each| each.place).collect();
    assert_eq!(store.deliveries(at(99), &busy, 2).unwrap(), []);

    let still = Endpoint { active: false, ..endpoint(1, "a", &["ended"]) };
    store.endpoints(&shop(1), &EndpointWork::Change(Box::new(still.clone()))).unwrap();
    assert!(events(&*store, 99).iter().all(|event| event.ends_with('b')));
    store.endpoints(&shop(1), &EndpointWork::Remove(endpoint(1, "b", &[]).id)).unwrap();
    assert_eq!(events(&*store, 99), [""; 0]);
    accept(&mut *store, fence, 6);
    end(&mut *store, fence, 6, 20);
    store.endpoints(&shop(1), &EndpointWork::Change(Box::new(Endpoint { active: true, ..still }))).unwrap();
    assert_eq!(events(&*store, 99).len(), 5, "what was to be told waits, what happened meanwhile is not told");
}

pub(super) fn what_is_announced_is_there_with_its_write_or_not_at_all(place: &impl Place) {
    let (mut store, fence) = opened(place);
    let mut commit = batch(1, fence, vec![accepted(1, 1), ended(1, 2, completed("of nothing"))]);
    commit.announces.push(announce(1, 1, Occasion::Late(at(2)), 1));
    assert!(store.commit(&[commit]).remove(0).is_err());
    assert_eq!(events(&*store, 99), [""; 0]);
    let mut commit = batch(1, fence, vec![]);
    commit.announces.push(announce(1, 1, Occasion::Ended, 1));
    assert!(store.commit(&[commit]).remove(0).is_err(), "of an operation that is not stored");
    let mut commit = batch(1, fence, vec![accepted(1, 1)]);
    commit
        .announces
        .push(Announce { print: |_, _, _| panic!("a fault of the printer"), ..announce(1, 1, Occasion::Ended, 1) });
    assert!(store.commit(&[commit]).remove(0).is_err());
    assert_eq!(store.operations(None, 9).unwrap(), []);
}

pub(super) fn what_endpoints_were_told_is_forgotten_with_its_operation(place: &impl Place) {
    let (mut store, fence) = opened(place);
    accept(&mut *store, fence, 1);
    store.commit(&[batch(1, fence, vec![Write::Ended { operation: id(1, 1), outcome: completed("x"), at: at(2) }])]);
    assert_eq!(store.kept_deliveries(id(1, 1)).unwrap().len(), 1);
    assert_eq!(store.forget(at(3), 10).unwrap(), 1);
    assert_eq!(store.kept_deliveries(id(1, 1)).unwrap(), []);
    assert_eq!(events(&*store, 999), [""; 0]);
}
