//! Webhook endpoints, and what they are to be told.

use std::collections::BTreeSet;

use model::{
    Announce, Delivery, Due, Endpoint, EndpointId, EndpointWork, EndpointsDone, Fence, Notice, Occasion, Opaque,
    OperationRow, Posted, Secret, Tried, Try, Wall, Wanted, Write,
};

use super::Place;
use super::given::{accepted, at, batch, completed, ended, home, id, key, shop, signing, wall};
use crate::{Horizon, Inspect, KeptFilter, Stage, StoreError};

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

/// A courier with room for plenty.
fn wanted(seconds: u64) -> Wanted {
    Wanted {
        by: at(seconds),
        busy: BTreeSet::new(),
        full: BTreeSet::new(),
        only: None,
        after: None,
        each: 100,
        most: 1_000,
    }
}

fn take(store: &dyn Inspect, wanted: &Wanted) -> Vec<Delivery> {
    store.due(wanted).unwrap().deliveries
}

fn names(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|each| &*each.event).collect()
}

/// A try that ended at that second.
fn tried(store: &mut dyn Inspect, delivery: &Delivery, seconds: u64, then: Tried) {
    let posted = Posted::Answered(if then == Tried::Delivered { 204 } else { 500 });
    store.tried(&[Try { place: delivery.place, at: at(seconds), posted, then }]).unwrap();
}

fn kept(store: &dyn Inspect, filter: &KeptFilter) -> Vec<(String, u32, Stage)> {
    let kept = store.kept(0, 100, filter).unwrap();
    kept.into_iter().map(|each| (each.event.into(), each.tries, each.stage)).collect()
}

/// Event and body of what is due.
fn due(store: &dyn Inspect, seconds: u64) -> Vec<(String, String)> {
    let due = take(store, &wanted(seconds));
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
    assert_eq!(store.due(&wanted(90)).unwrap().next, Some(at(91)));
    assert_eq!(due(&*store, 90), []);
    assert_eq!(due(&*store, 91), [("key-1-late-a".to_owned(), "key-1 late false".to_owned())]);
    drop(store);
    let mut store = place.open();
    let fence = store.load(&[home(1)], Horizon::at(at(0))).unwrap()[0].fence;
    end(&mut *store, fence, 1, 20);
    let told = |name: &str| (format!("key-1-ended-{name}"), "key-1 ended true".to_owned());
    assert_eq!(due(&*store, 91), [told("a"), told("b")], "an outcome in time takes the other back");
    let first = &take(&*store, &wanted(91))[0];
    assert_eq!((&*first.url, first.secret.reveal()), ("https://hooks.example.test/a", "whsec_a"));
    end(&mut *store, fence, 1, 21);
    assert_eq!(events(&*store, 91).len(), 2, "announced twice is announced once");
}

pub(super) fn what_is_late_is_told_before_the_outcome(place: &impl Place) {
    let (mut store, fence) = opened(place);
    accept(&mut *store, fence, 1);
    let late = take(&*store, &wanted(91)).remove(0);
    let busy = BTreeSet::from([late.place]);
    assert_eq!(store.due(&Wanted { busy: busy.clone(), ..wanted(91) }).unwrap(), Due::default());
    end(&mut *store, fence, 1, 95);
    let free = take(&*store, &Wanted { busy, ..wanted(95) });
    assert_eq!(names(&free), ["key-1-ended-b"], "it waits where the other is on its way");
    tried(&mut *store, &late, 101, Tried::Again(at(900)));
    assert_eq!(events(&*store, 95), ["key-1-ended-b"]);
    assert_eq!(store.due(&wanted(95)).unwrap().next, Some(at(900)));
    assert_eq!(events(&*store, 900), ["key-1-late-a", "key-1-ended-b"]);
    let again = take(&*store, &wanted(900)).remove(0);
    assert_eq!((again.place, again.tries, &again.body), (late.place, 1, &late.body));
    tried(&mut *store, &late, 901, Tried::GivenUp);
    let both = take(&*store, &wanted(900));
    assert_eq!(names(&both), ["key-1-ended-a", "key-1-ended-b"]);
    both.iter().for_each(|each| tried(&mut *store, each, 902, Tried::Delivered));
    assert_eq!(store.due(&wanted(9_000)).unwrap(), Due::default());
    let end = |name: &str| (format!("key-1-ended-{name}"), 1, Stage::Delivered);
    let all = [("key-1-late-a".to_owned(), 2, Stage::GivenUp), end("a"), end("b")];
    assert_eq!(kept(&*store, &KeptFilter::default()), all);
}

pub(super) fn what_is_over_can_be_looked_at_and_sent_again(place: &impl Place) {
    let (mut store, fence) = opened(place);
    for n in 1..=2 {
        accept(&mut *store, fence, n);
        end(&mut *store, fence, n, 10 + n);
    }
    let [a1, a2, b1, b2] = &take(&*store, &wanted(99))[..] else { panic!("four are due") };
    for (delivery, then) in [(a1, Tried::GivenUp), (a2, Tried::Delivered), (b1, Tried::GivenUp)] {
        tried(&mut *store, delivery, 50, then);
    }
    let events_of = |filter: &KeptFilter| {
        let kept = store.kept(0, 100, filter).unwrap();
        kept.into_iter().map(|each| String::from(each.event)).collect::<Vec<_>>()
    };
    let all = KeptFilter::default();
    let given_up = KeptFilter { given_up: true, ..all.clone() };
    assert_eq!(events_of(&all), ["key-1-ended-a", "key-1-ended-b", "key-2-ended-a", "key-2-ended-b"]);
    assert_eq!(events_of(&given_up), ["key-1-ended-a", "key-1-ended-b"]);
    let group = |number| Some(shop(number).name().into());
    assert_eq!(events_of(&KeptFilter { group: group(2), ..all.clone() }), [""; 0]);
    assert_eq!(events_of(&KeptFilter { group: group(1), ..given_up.clone() }).len(), 2);
    let of_b = KeptFilter { endpoint: Some(EndpointId::parse("b").unwrap()), ..all.clone() };
    assert_eq!(events_of(&of_b), ["key-1-ended-b", "key-2-ended-b"]);
    let of_first = KeptFilter { key: Some(key("key-1")), ..all.clone() };
    assert_eq!(events_of(&of_first), ["key-1-ended-a", "key-1-ended-b"]);
    let one = KeptFilter { event: Some("key-2-ended-a".into()), ..all.clone() };
    let first = &store.kept(0, 1, &all).unwrap()[0];
    assert_eq!(
        (first.last.clone(), &first.group, first.operation),
        (Some((at(50), "answered 500".into())), &shop(1), id(1, 1))
    );
    assert_eq!(store.kept(first.place, 100, &all).unwrap().len(), 3, "a page begins after a number");

    let still = store.send_again(&KeptFilter { event: Some(b2.event.clone()), ..all.clone() }, at(60)).unwrap();
    assert_eq!(still, 0, "what waits goes on waiting");
    assert_eq!(store.send_again(&KeptFilter { given_up: true, ..of_b }, at(60)).unwrap(), 1);
    assert_eq!(store.send_again(&one, at(60)).unwrap(), 1, "also what was delivered");
    assert_eq!(events(&*store, 60), ["key-2-ended-a", "key-2-ended-b", "key-1-ended-b"]);
    assert_eq!(kept(&*store, &given_up), [("key-1-ended-a".to_owned(), 1, Stage::GivenUp)]);
    assert_eq!(take(&*store, &wanted(60))[0].tries, 0, "as if it had never been tried");
}

pub(super) fn endpoints_take_turns(place: &impl Place) {
    let (mut store, fence) = opened(place);
    for n in 1..=3 {
        accept(&mut *store, fence, n);
        end(&mut *store, fence, n, 10 + n);
    }
    let few = Wanted { each: 2, most: 3, ..wanted(99) };
    assert_eq!(names(&take(&*store, &few)), ["key-1-ended-a", "key-2-ended-a", "key-1-ended-b"]);
    let after = |name: &str| Wanted { after: Some(EndpointId::parse(name).unwrap()), ..few.clone() };
    assert_eq!(names(&take(&*store, &after("a"))), ["key-1-ended-b", "key-2-ended-b", "key-1-ended-a"]);
    assert_eq!(names(&take(&*store, &after("b"))), names(&take(&*store, &few)));
    let is = |name: &str| BTreeSet::from([EndpointId::parse(name).unwrap()]);
    for not_a in [Wanted { full: is("a"), ..few.clone() }, Wanted { only: Some(is("b")), ..few }] {
        assert_eq!(names(&take(&*store, &not_a)), ["key-1-ended-b", "key-2-ended-b"]);
    }
}

pub(super) fn a_few_are_due_at_a_time_and_none_where_nothing_is_delivered(place: &impl Place) {
    let (mut store, fence) = opened(place);
    for n in 1..=5 {
        accept(&mut *store, fence, n);
        end(&mut *store, fence, n, 10 + n);
    }
    let two = Wanted { each: 2, ..wanted(99) };
    let few = take(&*store, &two);
    assert_eq!(names(&few), ["key-1-ended-a", "key-2-ended-a", "key-1-ended-b", "key-2-ended-b"]);
    let busy: BTreeSet<u64> = few.iter().map(|each| each.place).collect();
    assert_eq!(take(&*store, &Wanted { busy, ..two }), []);

    let still = Endpoint { active: false, ..endpoint(1, "a", &["ended"]) };
    store.endpoints(&shop(1), &EndpointWork::Change(Box::new(still.clone()))).unwrap();
    assert!(events(&*store, 99).iter().all(|event| event.ends_with('b')));
    store.endpoints(&shop(1), &EndpointWork::Remove(endpoint(1, "b", &[]).id)).unwrap();
    assert_eq!(events(&*store, 99), [""; 0]);
    assert!(kept(&*store, &KeptFilter::default()).iter().all(|(event, ..)| event.ends_with('a')));
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
    assert_eq!(kept(&*store, &KeptFilter::default()).len(), 1);
    assert_eq!(store.forget(at(3), 10).unwrap(), 1);
    assert_eq!(kept(&*store, &KeptFilter::default()), []);
    assert_eq!(events(&*store, 999), [""; 0]);
}
