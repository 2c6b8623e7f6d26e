//! What a story is played on: the pure [`World`], or the shell with its codec and its HTTP.
//!
//! Both hand in what peers do and hand out what came, at instants that only [`Theatre::advance`] moves. What a story
//! says must not depend on which of them it is played on.

use std::time::Duration;

use model::{CredentialId, Now, OperationId, Posted, Reason, Request, Timestamp};
use store::{Store, StoreError};

use crate::world::{Hearing, Life, Seen, Sent, Socket, World};

/// Peers, a gateway, a store and a clock.
///
/// Acts are handed in one by one and have their effect at the latest in [`Self::settle`], which follows the last act of a
/// step. Only [`Self::advance`] moves the clock.
pub trait Theatre {
    /// What a failure says about where it was played; empty where that is plain.
    fn place(&self) -> String;

    /// The present instant.
    fn now(&self) -> Now;

    /// The store, for checks.
    fn store(&self) -> &dyn Store;

    /// How far a connection is, as its peer knows it.
    fn life(&self, socket: Socket) -> Life;

    /// Whether frames of an opening connection wait for its upgrade.
    fn waits_for_upgrade(&self, socket: Socket) -> bool;

    /// A peer asks for an upgrade on a core; which one it is, is its number modulo the cores there are.
    fn open(&mut self, core: u8, request: &Request, hearing: Hearing) -> Socket;

    /// A peer makes an HTTP call on a core, numbered likewise.
    fn call(&mut self, core: u8, request: &Request) -> Socket;

    /// A peer sends a frame. It waits while the upgrade is not answered or the socket is not read.
    fn send(&mut self, socket: Socket, frame: Sent);

    /// The peer closes properly.
    fn close(&mut self, socket: Socket, code: u16, reason: &str);

    /// The connection is lost without a word.
    fn lose(&mut self, socket: Socket);

    /// The codec or the writer gives the connection up.
    ///
    /// # Errors
    /// When that cannot be brought about here.
    fn fault(&mut self, socket: Socket, reason: Reason) -> Result<(), String>;

    /// Telemetry was dropped, because the peer does not read.
    ///
    /// # Errors
    /// When that cannot be brought about here.
    fn dropped(&mut self, socket: Socket, count: u32) -> Result<(), String>;

    /// The peer reads again.
    ///
    /// # Errors
    /// When that cannot be brought about here.
    fn room(&mut self, socket: Socket) -> Result<(), String>;

    /// Killed and started again on the same store: sockets, mail and what was not yet durable are lost.
    ///
    /// # Errors
    /// When the store's credentials cannot be read.
    fn restart(&mut self) -> Result<(), StoreError>;

    /// Asked to end, with return hints spread over so long.
    fn drain(&mut self, spread: Duration);

    /// Ends a credential now. True when it was there and good.
    ///
    /// # Errors
    /// When the store cannot.
    fn revoke(&mut self, id: &CredentialId) -> Result<bool, StoreError>;

    /// An operator takes work back.
    fn take_back(&mut self, operation: OperationId);

    /// An operator ends the session of a socket.
    fn dismiss(&mut self, socket: Socket);

    /// One more commit fails.
    fn fail_commit(&mut self);

    /// One more load fails.
    fn fail_load(&mut self);

    /// Commits wait until they are released.
    fn hold_commits(&mut self);

    /// Commits go on.
    fn release_commits(&mut self);

    /// A receiver answers a call of ours with that status; whether it still waited for that.
    fn answer(&mut self, number: u64, status: u16) -> bool;

    /// Lets everything follow that follows within this instant.
    fn settle(&mut self);

    /// When something will happen by itself.
    fn deadline(&self) -> Option<Timestamp>;

    /// Moves both clocks to `at`, which lies not before now, and lets everything due happen.
    fn advance(&mut self, at: Timestamp);

    /// Everything that came out since the last look.
    fn take_seen(&mut self) -> Vec<Seen>;

    /// Rules that were broken since the last look: each is a bug.
    fn take_broken(&mut self) -> Vec<String>;
}

impl Theatre for World {
    fn place(&self) -> String {
        match self.cores() {
            1 => String::new(),
            cores => format!("on {cores} cores"),
        }
    }

    fn now(&self) -> Now {
        self.now()
    }

    fn store(&self) -> &dyn Store {
        self.store()
    }

    fn life(&self, socket: Socket) -> Life {
        self.life(socket)
    }

    fn waits_for_upgrade(&self, socket: Socket) -> bool {
        self.waits_for_upgrade(socket)
    }

    fn open(&mut self, core: u8, request: &Request, hearing: Hearing) -> Socket {
        self.open(core, request, hearing)
    }

    fn call(&mut self, core: u8, request: &Request) -> Socket {
        self.call(core, request)
    }

    fn send(&mut self, socket: Socket, frame: Sent) {
        self.send(socket, frame);
    }

    fn close(&mut self, socket: Socket, _: u16, _: &str) {
        self.close(socket);
    }

    fn lose(&mut self, socket: Socket) {
        self.lose(socket);
    }

    fn fault(&mut self, socket: Socket, reason: Reason) -> Result<(), String> {
        self.fault(socket, reason);
        Ok(())
    }

    fn dropped(&mut self, socket: Socket, count: u32) -> Result<(), String> {
        self.dropped(socket, count);
        Ok(())
    }

    fn room(&mut self, socket: Socket) -> Result<(), String> {
        self.room(socket);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.restart()
    }

    fn drain(&mut self, spread: Duration) {
        self.drain(spread);
    }

    fn revoke(&mut self, id: &CredentialId) -> Result<bool, StoreError> {
        self.revoke(id)
    }

    fn take_back(&mut self, operation: OperationId) {
        self.take_back(operation);
    }

    fn dismiss(&mut self, socket: Socket) {
        self.dismiss(socket);
    }

    fn fail_commit(&mut self) {
        self.fail_commit();
    }

    fn fail_load(&mut self) {
        self.fail_load();
    }

    fn hold_commits(&mut self) {
        self.hold_commits();
    }

    fn release_commits(&mut self) {
        self.release_commits();
    }

    fn answer(&mut self, number: u64, status: u16) -> bool {
        self.answer(number, Posted::Answered(status))
    }

    fn settle(&mut self) {
        self.settle();
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.deadline()
    }

    fn advance(&mut self, at: Timestamp) {
        self.advance(at);
    }

    fn take_seen(&mut self) -> Vec<Seen> {
        self.take_seen()
    }

    fn take_broken(&mut self) -> Vec<String> {
        self.take_broken()
    }
}
