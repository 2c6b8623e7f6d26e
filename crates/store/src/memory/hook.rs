//! Webhook endpoints in memory, and what they are to be told.

use model::{
    Announce, Delivery, Due, Endpoint, EndpointId, EndpointWork, EndpointsDone, GroupId, Occasion, Opaque, OperationId,
    Partition, Timestamp, Tried, Try, Wanted,
};

use super::{State, Table};
use crate::refusal::{self, Refusal};
use crate::{Kept, KeptFilter, Stage, StoreError};

/// Endpoints in the order they were made, and what each is told.
#[derive(Default)]
pub(super) struct Hooks {
    endpoints: Vec<Endpoint>,
    pub(super) deliveries: Table<u64, Row>,
    places: u64,
}

#[derive(Clone)]
pub(super) struct Row {
    event: Box<str>,
    endpoint: EndpointId,
    operation: OperationId,
    body: Opaque,
    tries: u32,
    last: Option<(Timestamp, Box<str>)>,
    due: Option<Timestamp>,
    delivered: bool,
}

impl Hooks {
    pub(super) fn work(&mut self, group: &GroupId, work: &EndpointWork) -> Result<EndpointsDone, StoreError> {
        let is = |id: &EndpointId| {
            let id = id.clone();
            move |endpoint: &Endpoint| endpoint.group == *group && endpoint.id == id
        };
        let mine = |endpoint: &&Endpoint| endpoint.group == *group;
        Ok(match work {
            EndpointWork::List => EndpointsDone::Listed(self.endpoints.iter().filter(mine).cloned().collect()),
            EndpointWork::Add { endpoint, most } => {
                if self.endpoints.iter().filter(mine).count() >= *most {
                    return Ok(EndpointsDone::Full);
                }
                if self.endpoints.iter().any(|other| other.id == endpoint.id) {
                    return Err(StoreError::Exists(format!("there is an endpoint {} already", endpoint.id)));
                }
                self.endpoints.push(Endpoint { group: group.clone(), ..(**endpoint).clone() });
                EndpointsDone::Made
            }
            EndpointWork::Change(endpoint) => {
                let is = is(&endpoint.id);
                let Some(there) = self.endpoints.iter_mut().find(|there| is(there)) else {
                    return Ok(EndpointsDone::Missing);
                };
                let (secret, created_at, group) = (there.secret.clone(), there.created_at, there.group.clone());
                *there = Endpoint { secret, created_at, group, ..(**endpoint).clone() };
                EndpointsDone::Made
            }
            EndpointWork::Remove(id) => {
                let is = is(id);
                let Some(at) = self.endpoints.iter().position(is) else { return Ok(EndpointsDone::Missing) };
                self.endpoints.remove(at);
                self.deliveries.rows.retain(|_, row| row.endpoint != *id);
                EndpointsDone::Made
            }
        })
    }

    /// Whether an endpoint is to be told nothing of the same operation before it.
    fn is_free(&self, place: u64, row: &Row) -> bool {
        let first =
            |other: &Row| other.operation == row.operation && other.endpoint == row.endpoint && other.due.is_some();
        !self.deliveries.rows.range(..place).any(|(_, other)| first(other))
    }

    /// What an endpoint is still to be told, what is due first first.
    fn waiting(&self, endpoint: &EndpointId) -> Vec<(Timestamp, u64, &Row)> {
        let of = self.deliveries.rows.iter().filter(|(_, row)| row.endpoint == *endpoint);
        let mut waiting: Vec<_> = of.filter_map(|(place, row)| Some((row.due?, *place, row))).collect();
        waiting.sort_by_key(|(due, place, _)| (*due, *place));
        waiting
    }

    pub(super) fn tried(&mut self, one: &Try) {
        let Some(row) = self.deliveries.rows.get_mut(&one.place) else { return };
        row.tries += 1;
        row.last = Some((one.at, one.posted.to_string().into()));
        row.due = match one.then {
            Tried::Again(at) => Some(at),
            Tried::Delivered | Tried::GivenUp => None,
        };
        row.delivered = one.then == Tried::Delivered;
    }

    pub(super) fn forget(&mut self, operation: OperationId) {
        self.deliveries.rows.retain(|_, row| row.operation != operation);
    }
}

impl State {
    pub(super) fn due(&self, wanted: &Wanted) -> Due {
        let mut endpoints: Vec<&Endpoint> = self.hooks.endpoints.iter().filter(|endpoint| endpoint.active).collect();
        endpoints.sort_by_key(|endpoint| (Some(&endpoint.id) <= wanted.after.as_ref(), &endpoint.id));
        let mut told = Due::default();
        for endpoint in endpoints {
            let waiting = self.hooks.waiting(&endpoint.id);
            let next = waiting.iter().map(|(due, ..)| *due).find(|due| *due > wanted.by);
            told.next = told.next.into_iter().chain(next).min();
            if !wanted.is_for(&endpoint.id) {
                continue;
            }
            let due =
                waiting.into_iter().filter(|(due, place, row)| *due <= wanted.by && self.hooks.is_free(*place, row));
            for (_, place, row) in due.take(wanted.each).filter(|(_, place, _)| !wanted.busy.contains(place)) {
                let Some(operation) = self.operations.rows.get(&row.operation) else { continue };
                if told.deliveries.len() == wanted.most {
                    break;
                }
                told.deliveries.push(Delivery {
                    place,
                    event: row.event.clone(),
                    operation: row.operation,
                    dialect: operation.dialect,
                    endpoint: endpoint.id.clone(),
                    url: endpoint.url.clone(),
                    secret: endpoint.secret.clone(),
                    body: row.body.clone(),
                    tries: row.tries,
                });
            }
        }
        told
    }

    pub(super) fn kept(&self, after: u64, filter: &KeptFilter) -> impl Iterator<Item = Kept> {
        let kept = self.hooks.deliveries.rows.range(after + 1..).filter_map(|(place, row)| {
            let operation = self.operations.rows.get(&row.operation)?;
            Some(Kept {
                place: *place,
                event: row.event.clone(),
                endpoint: row.endpoint.clone(),
                group: operation.group.clone(),
                operation: row.operation,
                key: operation.key.clone(),
                body: row.body.clone(),
                tries: row.tries,
                last: row.last.clone(),
                stage: match (row.due, row.delivered) {
                    (Some(due), _) => Stage::Waiting(due),
                    (None, true) => Stage::Delivered,
                    (None, false) => Stage::GivenUp,
                },
            })
        });
        kept.filter(|kept| filter.passes(kept))
    }

    pub(super) fn send_again(&mut self, filter: &KeptFilter, at: Timestamp) -> usize {
        let over = self.kept(0, filter).filter(|kept| !matches!(kept.stage, Stage::Waiting(_)));
        let places: Vec<u64> = over.map(|kept| kept.place).collect();
        for place in &places {
            if let Some(row) = self.hooks.deliveries.rows.get_mut(place) {
                (row.tries, row.due, row.delivered) = (0, Some(at), false);
            }
        }
        places.len()
    }

    pub(super) fn announce(&mut self, partition: Partition, announce: &Announce) -> Result<(), Refusal> {
        refusal::belongs(partition, announce.operation)?;
        let stored = self.operations.rows.get(&announce.operation);
        let row = stored.map(|row| self.whole(row)).ok_or(Refusal::NotStored(announce.operation))?;
        let deliveries = &mut self.hooks.deliveries;
        let due = match (announce.occasion, &row.outcome) {
            (Occasion::Late(_), Some(_)) => return Ok(()),
            (Occasion::Late(due), None) => due,
            (Occasion::Ended, _) => {
                let untried = |row: &Row| row.tries == 0 && row.due.is_some_and(|due| due > announce.at);
                let of = deliveries.rows.iter().filter(|(_, other)| other.operation == row.id && untried(other));
                let places: Vec<u64> = of.map(|(place, _)| *place).collect();
                places.into_iter().for_each(|place| deliveries.remove(place));
                announce.at
            }
        };
        for endpoint in self.hooks.endpoints.iter().filter(|endpoint| endpoint.group == row.group && endpoint.active) {
            let Some(notice) = refusal::print(announce, &row, &endpoint.id)? else { continue };
            let is_known = deliveries.rows.values().any(|other| other.event == notice.id);
            if is_known || !endpoint.events.iter().any(|event| **event == *notice.event) {
                continue;
            }
            self.hooks.places += 1;
            let delivery = Row {
                event: notice.id,
                endpoint: endpoint.id.clone(),
                operation: row.id,
                body: notice.body,
                tries: 0,
                last: None,
                due: Some(due),
                delivered: false,
            };
            deliveries.put(self.hooks.places, delivery);
        }
        Ok(())
    }
}
