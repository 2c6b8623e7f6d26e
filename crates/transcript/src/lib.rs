//! The transcript language, and the World that plays it. For tests only; never in the binary.
//!
//! A *story* is a plain text file: what is given, what peers send, what the gateway answers, when. The same
//! file is the test, the documentation and, marked `doc`, the vendor's word. A file stays under about forty lines.
//!
//! ```text
//! # A palm pays for bread.
//! # mark: doc
//! # from: websocket-vendor, "Create Authentication Context" and "Authentication Result"
//!
//! = vendor boop requester vendor_id=ven_test_bakery7 key=sk_test_Qm41 group=ven_test_bakery7
//!   name="Harbour Bakery"
//! = lane boop performer device=lane key=dk_test_77c group=ven_test_bakery7
//! = member usr_8tk2 balance=2500 USD attr.email="ida@sample.test" template=cGFsbQ==:left
//!
//! lane> {"type":"authenticate","device_id":"lane","device_key":"dk_test_77c"}
//! * presence lane online
//! lane< {"type":"authenticated","device_id":"lane","vendor_id":"ven_test_bakery7"}
//!
//! vendor> {"type":"authenticate","vendor_id":"ven_test_bakery7","api_key":"sk_test_Qm41"}
//! vendor> {"type":"create_context","context_id":"till2-91","requirements":{"type":"payment","amount":1875}}
//! vendor< {"type":"authenticated","vendor_id":"ven_test_bakery7","timestamp":"$login"}
//! * event accepted payment
//! lane< {"type":"context_open","context_id":"till2-91","auth_type":"payment","amount":1875,"currency":"USD",
//!   "vendor_name":"Harbour Bakery","attributes_required":[],"attributes_optional":[],
//!   "expires_at":"2031-03-04T05:10:30Z"}
//!
//! @ +4s
//! lane> {"type":"scan_result","context_id":"till2-91","outcome":"captured","template":"cGFsbQ==",
//!   "palm_side":"left","quality":93}
//! * event ended completed
//! vendor< {"type":"auth_result","context_id":"till2-91",
//!   "result":{"success":true,"user_id":"usr_8tk2","attributes":{},"transaction_id":"txn_$payment"}}
//! lane< {"type":"scan_ack","context_id":"till2-91","status":"matched"}
//! ? balance usr_8tk2 625 USD
//! ```
//!
//! # Lines
//!
//! The first character says what a line is. A line that begins with two spaces continues the line above it.
//! Empty lines make paragraphs.
//!
//! | line | meaning |
//! |---|---|
//! | `# prose` | for readers. Three forms are read: `# mark: doc`, `inferred` or `choice`; `# from: document, section`; `# n/a: why` |
//! | `= …` | given before anything happens |
//! | `peer> …` | the peer says it to the gateway |
//! | `peer< …` | the gateway says it to the peer |
//! | `@ +30s` | time passes; nothing else moves it |
//! | `! …` | something happens to the world |
//! | `* …` | the gateway makes something public |
//! | `? balance ID 625 USD` | what the store must hold now |
//!
//! `>`, `@` and `!` are *acts*. `<` and `*` are *outputs*. When only one peer is given, `>` and `<` do without its name.
//!
//! Every story has exactly one mark, and one marked `doc` says where `from`. A file with `# n/a: why` says that the
//! vendor has no such thing: it holds prose only.
//!
//! # Given
//!
//! ```text
//! = now 2031-03-04T05:10:00Z          both clocks at the start; this is also the default
//! = random 00 11                      the seed, up to eight bytes in hex; 00 when not given
//! = set boop.scan_attempts 2          a setting: a count, true or false, a duration, a text, or ["a","b"]
//! = vendor boop requester …           a peer: its name, dialect and role (requester, performer or admin), then:
//!     vendor_id=V | device=D | subject=S    the name it presents; `device` is also the device that it is
//!     key=K group=G                   its credential; without `key` there is a peer but no credential
//!     secret=S                        what it signs HTTP calls with; its credential is a signing one then
//!     name="Harbour Bakery"           what people read; the peer's name when not given
//!     network=N                       `main` when not given
//!     principal=P                     the name it presents, else the peer's name, when not given
//!     permission=a permission=b       only these; everything when not given
//!     expires=2031-03-04T06:00:00Z
//!     address=192.0.2.7               where it connects from; 192.0.2.1 for the first peer, .2 for the second …
//!     header.x-group-id=store-1       a header of all its requests, in place of the one it would have or beside them
//!     query.x-api-key=K               a pair of their queries
//!     no-key                          it does not present its key, and signs nothing
//!     url=https://hooks.example.test/ it waits there for calls of ours, and answers them in their order
//!     deaf                            half-open: it never completes a close
//! = member ID …                       a registered member:
//!     network=N balance=2500 USD      `main` and 0 USD when not given
//!     attr.email="ida@sample.test"    what is known of it, each a JSON text without spaces outside strings
//!     attested=age_verified,vip       which of them somebody vouched for
//!     sides=left                      with which palms they are given out; both when not given
//!     sides.email=right               the same for one of them
//!     groups=ven_a,ven_b              the groups that may know it; every group when not given
//!     template=cGFsbQ==:left          what it is recognised by, with its palm, any number of times;
//!                                     by its id too, where a dialect believes that (`= set boop.test_user_ids true`)
//! ```
//!
//! A value with spaces is a JSON string: `name="Harbour Bakery"`. A peer without `key` serves for strangers and for
//! second sockets of the same vendor: it logs in with whatever its frames present.
//!
//! A modulus peer presents its key with its requests: `x-api-key`, and to open a socket `x-device-id`, too, when it has a
//! `device`. The key alone says who it is, so several peers may have one key: the first of them that has a `group` keeps the
//! credential, whose principal is that peer's name, and `! revoke` of any of them ends it. The device is no part of it.
//!
//! # What peers say
//!
//! ```text
//! vendor> {"type":"ping"}             a text frame of JSON, sent as written (a continued line is joined by one space)
//! vendor> text {"type":               any other text, to the end of the line; `text` alone is the empty text
//! vendor> binary 00ff10               a binary frame, in hex
//! vendor> ping                        a control ping; its pong is the codec's business and not written
//! vendor> pong                        a control pong
//! vendor> close 1000 bye              a close frame; the socket is over
//! vendor> 100 times {"type":"ping"}   the same line so many times; `$#` in it counts from 1
//! vendor> POST /api/v1/auth           an HTTP request, then headers and body as continued lines
//!   x-api-key: sk_test_Qm41
//!   {"context_id":"a"}
//! hook> 200                           the answer of a peer with a `url` to the oldest call of ours it has not answered
//! ```
//!
//! A frame begins with `{` or `[`; everything else begins with one of these words, so neither is taken for the other.
//! A header is `lower-case-name: value`; the first continued line of another form begins the body. A body that begins
//! with `{` or `[` is JSON and brings `content-type: application/json`; other bodies are their lines joined by `\n`. What a
//! peer sends may begin so and be no JSON: it is sent as written.
//!
//! An HTTP request is a call: on a connection of its own, beside its peer's socket and other calls, and open until its
//! answer comes, through as many lines and sleeps as that takes. `! drop` of its peer hangs up. A call of a peer with a
//! `secret` is signed as modulus wants it, at the story's time, unless the story has an `x-signature`; headers that are
//! written win. `$name` may be used in its target, its headers and its body.
//!
//! A peer that never had a socket opens one with its first frame, at the usual path of its dialect and role. After a
//! socket ended, only `! open` makes another. What is sent after our close, by a deaf peer or in the same step, is
//! unheard; a frame from a peer whose socket is over is a mistake of the story.
//!
//! # What the gateway says
//!
//! ```text
//! vendor< {"type":"pong"}             a text frame of JSON
//! vendor< text hello                  a text frame that is no JSON object or array
//! vendor< ping                        a control ping; a pong comes only when the story sends one
//! vendor< close 4409 displaced        a close frame: code, and the reason's label
//! vendor< 401                         an upgrade refused, or an HTTP answer: status, then headers and body
//! vendor< accept                      an upgrade accepted *later* than in the step that opened it
//! vendor< 100 times {"type":"pong"}   the same so many times
//! hook< POST /orders                  an HTTP request that we make
//! ```
//!
//! An upgrade accepted in the step of its `! open`, or of its first frame, is not written. After our close a peer
//! completes it in the same instant; a deaf one is given up [`CLOSE_WAIT`](world::CLOSE_WAIT) later. Of an HTTP
//! message only those headers are compared that are written; update mode writes them all, save `content-type:
//! application/json` above a JSON body.
//!
//! # Steps and instants
//!
//! Acts on adjoining lines happen *together*: all are handed in before any commit, mail or answer moves. An output,
//! an empty line or prose between them makes them two steps, and that is what to write when the second act supposes
//! that the first has had its effect: every story is played on one core and on two. What follows from a step is written below it, before
//! the next act: every output, in order. One that is not written fails the story, and so does one that does not come.
//!
//! `@ +30s` is a step of its own (`+29s999ms` and `+1m30s` are durations too). The World stops at every deadline on
//! the way; an output before the end of the sleep fails the story and says when it came. At the end what is due at
//! exactly that instant comes first; acts written below come after it.
//!
//! Order among peers within one step is as the node says it on one core. With several cores each peer's frames, its HTTP
//! answers, and the `*` lines, keep their order among themselves.
//!
//! The same holds where a story is played through the shell, with its HTTP, its codec and its connections: another
//! [`Theatre`], the same text at the same instants. What the codec and HTTP add of themselves, such as pongs, a content
//! length or a date, is checked there and not written.
//!
//! # Comparing
//!
//! JSON compares by value: key order and spaces do not matter, numbers compare by their text (`1` is not `1.0`),
//! a key twice is an error. Everything else compares as text.
//!
//! `$name` stands for something known at run time. At first sight in an output it binds; from then on it must be
//! equal, and acts may use it. In a JSON text it is a whole value of any kind (`"balance":$left`) or stands in a
//! string, alone or in part (`"txn_$id"`). In a string it is at least one character and ends where the text after it first
//! comes. `${name}` separates it from letters that follow; `$$` is a dollar; `${x*70000}` is 70,000 times `x`;
//! `$#` counts within `times`. Nothing stands for "anything".
//!
//! # What happens to the world
//!
//! ```text
//! ! open lane                         a socket at the usual path of its dialect and role
//! ! open lane /ws/pvs?x=y x-api-key=dk origin="https://a.test"     … at another one, with headers
//! ! drop lane                         its connections are lost without a word: its socket and its open calls
//! ! fault lane too_big                the codec or the writer gives up: too_big, bad_text, protocol, slow …
//! ! dropped lane 3                    so many telemetry frames were dropped; `! room lane`: it reads again
//! ! restart                           killed and started again on the same store; every socket is lost
//! ! drain                             or `! drain 10s`: with return hints spread over so long
//! ! fail commit                       the next commit fails; `! fail load`: the next load does
//! ! hold commits                      commits wait until `! release commits`; a restart loses them
//! ! revoke vendor                     the peer's credential ends now
//! ! cancel till2-91                   an operator takes back the newest work under that key
//! ! dismiss lane                      an operator ends its session
//! ```
//!
//! # Public
//!
//! `* presence lane away`, `* event ended completed`: the [`Display`](std::fmt::Display) of
//! [`model::Happening`]. Several alike may be written `* 100 times event accepted payment`.
//!
//! # Update mode
//!
//! With `TRANSCRIPT_UPDATE=1` a story whose outputs differ is rewritten: only its `<` and `*` lines, keeping every
//! `$name` that still fits. A story marked `doc` is never touched: it fails as always.

pub mod binding;
mod calls;
pub mod check;
mod connection;
mod given;
pub mod json;
pub mod parse;
pub mod play;
mod print;
mod request;
mod run;
mod say;
mod scene;
pub mod simulation;
pub mod story;
pub mod theatre;
pub mod update;
mod words;
pub mod world;

pub use parse::parse;
pub use run::{Fared, MOST_NOT_APPLICABLE, Report, SIXTEEN, Told, UPDATE, run_file, run_folder, run_folder_on};
pub use scene::{scene, stage};
pub use theatre::Theatre;
