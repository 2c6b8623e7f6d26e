//! What the disk and the store can do here: `cargo run --release -p store --example commits [FOLDER]`.
//!
//! An operation is what production writes for one: it is accepted in one commit and has its outcome, with
//! mail owed, in another. So many operations, each of its own partition, share a commit.

#![expect(clippy::print_stdout, reason = "figures for people are what this is for")]

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::{
    Commit, Dialect, Digest, Fence, GroupId, MailRow, NetworkId, Opaque, OperationId, OperationRow, Outcome, Partition,
    PrincipalId, RequestKey, Target, Timestamp, Write,
};
use store::{Horizon, Sqlite, Store};

/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(4);

fn main() -> Result<(), Box<dyn Error>> {
    let own;
    let folder = if let Some(folder) = std::env::args_os().nth(1) {
        PathBuf::from(folder)
    } else {
        own = tempfile::tempdir()?;
        own.path().to_owned()
    };
    println!("appends of 4 KiB made durable, without a store {:>8.0}/s", appends(&folder)?);
    for together in [1, 64, 256] {
        let folder = folder.join(format!("together-{together}"));
        let (operations, commits) = operations(&folder, together)?;
        println!("{together:>3} operations together: {operations:>8.0} operations/s in {commits:>6.0} commits/s");
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn appends(folder: &Path) -> Result<f64, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("appends");
    let mut file = File::create(&path)?;
    let (since, mut done) = (Instant::now(), 0_u32);
    while since.elapsed() < SPAN {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        done += 1;
    }
    let rate = f64::from(done) / since.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

/// Operations and commits in a second.
fn operations(folder: &Path, together: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let mut store = Sqlite::open(folder)?;
    let mut shops = Shops::new(&mut store)?;
    let (since, mut done, mut commits) = (Instant::now(), 0_u32, 0_u32);
    while since.elapsed() < SPAN {
        let rows: Vec<OperationRow> = (0..together).map(|_| shops.next()).collect();
        let accepted = rows.iter().map(|row| shops.batch(row, vec![Write::Accepted(Box::new(row.clone()))]));
        commit(&mut store, accepted.collect())?;
        let ended = rows.iter().map(|row| shops.batch(row, ending(row)));
        commit(&mut store, ended.collect())?;
        done += u32::try_from(together)?;
        let transactions = |writes: usize| writes.div_ceil(store::sqlite::WRITES_PER_TRANSACTION);
        commits += u32::try_from(transactions(together) + transactions(2 * together))?;
    }
    let seconds = since.elapsed().as_secs_f64();
    store.check()?;
    Ok((f64::from(done) / seconds, f64::from(commits) / seconds))
}

fn commit(store: &mut Sqlite, commits: Vec<Commit>) -> Result<(), Box<dyn Error>> {
    for answer in store.commit(&commits) {
        answer?;
    }
    Ok(())
}

fn ending(row: &OperationRow) -> Vec<Write> {
    let outcome = Outcome::Completed { body: Opaque::from_static(&[b'o'; 200]) };
    let mail =
        MailRow { operation: row.id, group: row.group.clone(), principal: row.requester.clone(), until: row.answer_by };
    vec![Write::Ended { operation: row.id, outcome, at: row.answer_by }, Write::Owed(mail)]
}

/// Work as it comes: shops by turns, keys that say nothing about time.
struct Shops {
    groups: Vec<(GroupId, Partition)>,
    last: [Option<OperationId>; 256],
    fence: Fence,
    network: NetworkId,
    requester: PrincipalId,
    count: u64,
}

impl Shops {
    fn new(store: &mut Sqlite) -> Result<Self, Box<dyn Error>> {
        let all: Vec<Partition> = (0..=255).map(Partition).collect();
        let fence = store.load(&all, Horizon::at(Timestamp::default()))?[0].fence;
        let mut groups = Vec::new();
        for n in 0..1_000 {
            let group = GroupId::parse(&format!("shop-{n:04}"))?;
            groups.push((group.clone(), Partition::of(&group)));
        }
        let (network, requester) = (NetworkId::parse("palms")?, PrincipalId::parse("till-1")?);
        Ok(Self { groups, last: [None; 256], fence, network, requester, count: 0 })
    }

    fn next(&mut self) -> OperationRow {
        self.count += 1;
        let at = 1_900_000_000_000 + self.count / 20;
        let turn = usize::try_from(self.count).unwrap_or(0) % self.groups.len();
        let (group, partition) = &self.groups[turn];
        let last = &mut self.last[usize::from(partition.0)];
        let id = OperationId::next(*partition, at, *last);
        *last = Some(id);
        let digest = Digest::of(&self.count.to_le_bytes());
        let key: String = digest.0[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        OperationRow {
            id,
            group: group.clone(),
            network: self.network.clone(),
            requester: self.requester.clone(),
            requester_name: "Corner Shop".into(),
            dialect: Dialect::Boop,
            kind: "payment".into(),
            key: RequestKey::parse(&key).expect("hexadecimal digits are an id"),
            body: digest,
            target: Target::AnyOfGroup,
            accepted_at: Timestamp::from_millis(at),
            deliver_by: None,
            answer_by: Timestamp::from_millis(at + 30_000),
            request: Opaque::from_static(&[b'r'; 200]),
            memo: Opaque::from_static(&[b'm'; 100]),
            outcome: None,
            about: None,
            late: None,
            compensation: None,
        }
    }

    fn batch(&self, row: &OperationRow, writes: Vec<Write>) -> Commit {
        Commit {
            partition: row.id.partition(),
            fence: self.fence,
            batch: 1,
            writes,
            settles: Vec::new(),
            announces: Vec::new(),
        }
    }
}
