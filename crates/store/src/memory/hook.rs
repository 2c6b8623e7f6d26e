//! Webhook endpoints in memory, and what they are to be told.

use std::collections::BTreeSet;

use model::{
    Announce, Delivery, Endpoint, EndpointId, EndpointWork, EndpointsDone, GroupId, Occasion, Opaque, OperationId,
    Partition, Timestamp, Tried,
};

use super::{State, Table};
use crate::refusal::{self, Refusal};
use crate::{Kept, StoreError};

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

    fn endpoint(&self, id: &EndpointId) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.id == *id)
    }

    /// What waits for an active endpoint, and for nothing that endpoint was to be told of the same operation earlier.
    fn free(&self) -> Vec<(Timestamp, u64, &Row)> {
        let is_free = |place: u64, row: &Row| {
            let first = |(_, other): (&u64, &Row)| {
                other.operation == row.operation && other.endpoint == row.endpoint && other.due.is_some()
            };
            self.endpoint(&row.endpoint).is_some_and(|endpoint| endpoint.active)
                && !self.deliveries.rows.range(..place).any(first)
        };
        let waiting = self.deliveries.rows.iter().filter_map(|(place, row)| Some((row.due?, *place, row)));
        let mut free: Vec<_> = waiting.filter(|(_, place, row)| is_free(*place, row)).collect();
        free.sort_by_key(|(due, place, _)| (*due, *place));
        free
    }

    pub(super) fn next(&self, busy: &BTreeSet<u64>) -> Option<Timestamp> {
        self.free().into_iter().find(|(_, place, _)| !busy.contains(place)).map(|(due, ..)| due)
    }

    pub(super) fn tried(&mut self, place: u64, tried: Tried) {
        let Some(row) = self.deliveries.rows.get_mut(&place) else { return };
        row.tries += 1;
        row.due = match tried {
            Tried::Again(at) => Some(at),
            Tried::Delivered | Tried::GivenUp => None,
        };
        row.delivered = tried == Tried::Delivered;
    }

    pub(super) fn kept(&self, operation: OperationId) -> Vec<Kept> {
        let of = self.deliveries.rows.values().filter(|row| row.operation == operation);
        of.map(|row| Kept {
            event: row.event.clone(),
            endpoint: row.endpoint.clone(),
            body: row.body.clone(),
            tries: row.tries,
            due: row.due,
            delivered: row.delivered,
        })
        .collect()
    }

    pub(super) fn forget(&mut self, operation: OperationId) {
        self.deliveries.rows.retain(|_, row| row.operation != operation);
    }
}

impl State {
    pub(super) fn due(&self, now: Timestamp, busy: &BTreeSet<u64>, each: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let free = self.hooks.free();
        for endpoint in &self.hooks.endpoints {
            let due = free.iter().filter(|(due, _, row)| *due <= now && row.endpoint == endpoint.id);
            for (_, place, row) in due.take(each).filter(|(_, place, _)| !busy.contains(place)) {
                let Some(operation) = self.operations.rows.get(&row.operation) else { continue };
                deliveries.push(Delivery {
                    place: *place,
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
        deliveries
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
                due: Some(due),
                delivered: false,
            };
            deliveries.put(self.hooks.places, delivery);
        }
        Ok(())
    }
}
