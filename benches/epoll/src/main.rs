//! A bare epoll loop on one thread that speaks as much of BOOP as a load needs: the ceiling other servers are held
//! against. No limits, no deadlines, no store, no defence of any kind: never a server for anybody.
//!
//! `epoll ADDRESS KEYS…`, the files those of `tillgate keys create --json`.

mod peer;

use std::collections::HashMap;
use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use serde::Deserialize;
use socket2::{Domain, Protocol, Socket, Type};

use peer::{Peer, Role};

const LISTENER: u64 = u64::MAX;

/// A key of the files.
#[derive(Deserialize)]
struct Key {
    role: Role,
    group: String,
    subject: String,
    secret: String,
}

/// Who a key proves: its secret, its role, the number of its group.
struct Known {
    secret: String,
    role: Role,
    group: u32,
}

/// Everything of the server but the sockets.
#[derive(Default)]
struct House {
    keys: HashMap<String, Known>,
    /// Vendors and scanners of each group, by socket.
    vendors: Vec<Vec<usize>>,
    scanners: Vec<Vec<usize>>,
}

/// A frame as its reader needs it.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    vendor_id: Option<&'a str>,
    #[serde(borrow, default)]
    api_key: Option<&'a str>,
    #[serde(borrow, default)]
    device_id: Option<&'a str>,
    #[serde(borrow, default)]
    device_key: Option<&'a str>,
    #[serde(borrow, default)]
    context_id: Option<&'a str>,
}

/// To whom a text goes.
enum To {
    Sender,
    Vendors,
    Scanners,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("expected ADDRESS KEYS…")?.parse()?;
    let mut house = House::default();
    for file in arguments {
        house.read(&std::fs::read_to_string(file)?)?;
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    serve(&TcpListener::from(socket), &mut house)
}

fn serve(listener: &TcpListener, house: &mut House) -> Result<(), Box<dyn Error>> {
    let poll: OwnedFd = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut peers: Vec<Option<Box<Peer>>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    let mut replies = Vec::new();
    loop {
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let epoll::Event { flags, data } = *event;
            if data.u64() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let index = free.pop().unwrap_or_else(|| {
                        peers.push(None);
                        peers.len() - 1
                    });
                    epoll::add(&poll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
                    peers[index] = Some(Box::new(Peer::new(stream)));
                }
                continue;
            }
            let index = usize::try_from(data.u64())?;
            let Some(mut peer) = peers[index].take() else { continue };
            let mut alive = true;
            if flags.contains(EventFlags::OUT) {
                alive = peer.write(&poll, index, &[]).is_ok();
            }
            if alive && flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                replies.clear();
                alive = peer.read(&mut buffer, &mut replies, |peer, text, own| {
                    house.hear(index, peer, text, own, |other, bytes| {
                        if let Some(other_peer) = peers[other].as_mut() {
                            let _ = other_peer.write(&poll, other, bytes);
                        }
                    });
                });
                alive &= replies.is_empty() || peer.write(&poll, index, &replies).is_ok();
            }
            if alive {
                peers[index] = Some(peer);
            } else {
                house.forget(index, &peer);
                free.push(index);
            }
        }
    }
}

impl House {
    fn read(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        let mut groups: HashMap<String, u32> = HashMap::new();
        for line in text.lines() {
            let Key { role, group, subject, secret } = serde_json::from_str(line)?;
            // A group's vendor may stand in another file, under the group's own name.
            let known = self.keys.get(&group).map(|known| known.group);
            let next = u32::try_from(self.vendors.len())?;
            let number = *groups.entry(group).or_insert(known.unwrap_or(next));
            if number == next {
                self.vendors.push(Vec::new());
                self.scanners.push(Vec::new());
            }
            self.keys.insert(subject, Known { secret, role, group: number });
        }
        Ok(())
    }

    /// One text of a peer: what the peer is answered goes into `own`, what others hear through `tell`.
    fn hear(&mut self, index: usize, peer: &mut Peer, text: &str, own: &mut Vec<u8>, tell: impl FnMut(usize, &[u8])) {
        let Ok(message) = serde_json::from_str::<Message<'_>>(text) else {
            return peer::frame(r#"{"type":"error","error":"expected a JSON object"}"#, own);
        };
        let id = message.context_id.unwrap_or_default();
        let open = || format!(r#"{{"type":"context_open","context_id":"{id}","auth_type":"entrance"}}"#);
        let over = || format!(r#"{{"type":"context_closed","context_id":"{id}","reason":"cancelled"}}"#);
        let outcome = || format!(r#"{{"type":"auth_result","context_id":"{id}","result":{{"success":false}}}}"#);
        let ack = || format!(r#"{{"type":"scan_ack","context_id":"{id}","status":"matched"}}"#);
        let said: &[(To, String)] = match (message.kind, peer.inside) {
            ("ping", _) => return peer::frame(r#"{"type":"pong"}"#, own),
            ("authenticate", None) => return self.log_in(index, peer, &message, own),
            ("create_context", Some((Role::Requester, _))) => &[(To::Scanners, open())],
            ("cancel_context", Some((Role::Requester, _))) => &[(To::Sender, outcome()), (To::Scanners, over())],
            ("scan_result", Some((Role::Performer, _))) => {
                &[(To::Sender, ack()), (To::Sender, over()), (To::Vendors, outcome())]
            }
            _ => &[(To::Sender, r#"{"type":"error","error":"expected a known type"}"#.to_owned())],
        };
        self.say(peer, said, own, tell);
    }

    fn say(&self, peer: &Peer, said: &[(To, String)], own: &mut Vec<u8>, mut tell: impl FnMut(usize, &[u8])) {
        let mut bytes = Vec::new();
        for (to, text) in said {
            bytes.clear();
            peer::frame(text, &mut bytes);
            let group = peer.inside.map_or(0, |(_, group)| group as usize);
            match to {
                To::Sender => own.extend_from_slice(&bytes),
                To::Vendors => self.vendors[group].iter().for_each(|other| tell(*other, &bytes)),
                To::Scanners => self.scanners[group].iter().for_each(|other| tell(*other, &bytes)),
            }
        }
    }

    fn log_in(&mut self, index: usize, peer: &mut Peer, message: &Message<'_>, own: &mut Vec<u8>) {
        let (name, secret) = (message.vendor_id.or(message.device_id), message.api_key.or(message.device_key));
        let known = name.and_then(|name| self.keys.get(name)).filter(|known| secret == Some(&known.secret));
        let Some(known) = known else {
            return peer::frame(r#"{"type":"error","error":"Invalid credentials"}"#, own);
        };
        peer.inside = Some((known.role, known.group));
        match known.role {
            Role::Requester => self.vendors[known.group as usize].push(index),
            Role::Performer => self.scanners[known.group as usize].push(index),
        }
        peer::frame(&format!(r#"{{"type":"authenticated","name":"{}"}}"#, name.unwrap_or_default()), own);
    }

    fn forget(&mut self, index: usize, peer: &Peer) {
        let list = match peer.inside {
            Some((Role::Requester, group)) => &mut self.vendors[group as usize],
            Some((Role::Performer, group)) => &mut self.scanners[group as usize],
            None => return,
        };
        list.retain(|other| *other != index);
    }
}
