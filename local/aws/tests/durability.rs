//! Simulates a power failure: only the files as they were at the last sync remain.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::{AttributeValue, Select};

use super::dynamodb::{TABLE, create_table, key};
use super::*;
use crate::aws::durability::SyncFile;

/// The number of writes. It is small enough that SQLite keeps them all in the write-ahead log.
const WRITES: usize = 60;

/// A sync function that copies both databases to `image`, which stands for the content of the disk.
fn into_image(data: &Path, image: &Path) -> SyncFile {
    let (data, image, turn) = (data.to_owned(), image.to_owned(), Mutex::new(()));
    Arc::new(move |_: &File| {
        let _turn = turn.lock().unwrap();
        for file in Storage::FILES {
            for part in ["", "-wal"] {
                std::fs::copy(data.join(format!("{file}{part}")), image.join(format!("{file}{part}")))?;
            }
        }
        Ok(())
    })
}

struct Power {
    data: tempfile::TempDir,
    image: tempfile::TempDir,
}

impl Power {
    /// Makes concurrent writes, and simulates a power failure after the last response. Returns the number of items and
    /// messages that the next start finds.
    async fn after_a_cut(&self, durable: bool) -> (usize, u32) {
        let storage = |path: &Path| Storage::Directory { path: PathBuf::from(path), durable };
        let sync = into_image(self.data.path(), self.image.path());
        let aws =
            EmbeddedAws::open_with(&storage(self.data.path()), AUTHORITY, system_clock(), Arc::clone(&sync)).unwrap();
        let (items, queue) = (aws_sdk_dynamodb::Client::new(&aws.sdk_config()), TestQueue::new(&aws, &[]).await);
        create_table(&items).await;
        let file = File::open(self.data.path().join(Storage::FILES[0])).unwrap();
        sync(&file).unwrap();
        let mut writing = tokio::task::JoinSet::new();
        for n in 0..WRITES {
            let (items, queue) = (items.clone(), queue.clone());
            writing.spawn(async move {
                let put = items.put_item().table_name(TABLE).set_item(Some(key("n", &n.to_string())));
                put.send().await.unwrap();
                queue.send(&n.to_string()).await;
            });
        }
        writing.join_all().await;
        // The copy is made before `aws` is dropped, so it contains nothing that is written later.
        let left = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.image.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), left.path().join(entry.file_name())).unwrap();
        }
        drop(aws);
        let aws = EmbeddedAws::open(&storage(left.path()), AUTHORITY, system_clock()).unwrap();
        let items = aws_sdk_dynamodb::Client::new(&aws.sdk_config()).scan().table_name(TABLE).send().await.unwrap();
        (items.items().len(), TestQueue::new(&aws, &[]).await.counts().await[0])
    }
}

#[tokio::test]
async fn acknowledged_writes_survive_a_power_failure_only_if_durable_is_set() {
    for (durable, expected) in [(true, (WRITES, WRITES as u32)), (false, (0, 0))] {
        let power = Power { data: tempfile::tempdir().unwrap(), image: tempfile::tempdir().unwrap() };
        assert_eq!(power.after_a_cut(durable).await, expected, "durable: {durable}");
    }
}

#[tokio::test]
async fn a_write_that_cannot_be_synced_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::Directory { path: directory.path().to_owned(), durable: true };
    let broken = Arc::new(AtomicBool::new(false));
    let sync: SyncFile = Arc::new({
        let broken = Arc::clone(&broken);
        move |_| match broken.load(Ordering::SeqCst) {
            true => Err(std::io::Error::other("the disk fails")),
            false => Ok(()),
        }
    });
    let aws = EmbeddedAws::open_with(&storage, AUTHORITY, system_clock(), sync).unwrap();
    let (items, queue) = (aws_sdk_dynamodb::Client::new(&aws.sdk_config()), TestQueue::new(&aws, &[]).await);
    create_table(&items).await;
    broken.store(true, Ordering::SeqCst);
    let put = items.put_item().table_name(TABLE).set_item(Some(key("n", "1"))).send().await;
    assert_eq!(put.map(drop).map_err(code), Err("InternalServerError".to_owned()));
    let sent = queue.client.send_message().queue_url(&queue.url).message_body("a").send().await;
    assert_eq!(sent.map(drop).map_err(code), Err("InternalError".to_owned()));
    items.get_item().table_name(TABLE).set_key(Some(key("n", "1"))).send().await.unwrap();
}

/// Large writes take turns. A turn ends before the write is synced, so the others are performed meanwhile, and the next
/// sync covers them all.
#[tokio::test]
async fn large_writes_share_a_sync() {
    const LARGE_WRITES: usize = 20;
    const PATIENCE: Duration = Duration::from_secs(30);
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::Directory { path: directory.path().to_owned(), durable: true };
    let (disk, syncs) = (Arc::new(tokio::sync::Mutex::new(())), Arc::new(AtomicUsize::new(0)));
    let sync: SyncFile = Arc::new({
        let (disk, syncs) = (Arc::clone(&disk), Arc::clone(&syncs));
        move |_| {
            syncs.fetch_add(1, Ordering::SeqCst);
            drop(disk.blocking_lock());
            Ok(())
        }
    });
    let aws = EmbeddedAws::open_with(&storage, AUTHORITY, system_clock(), sync).unwrap();
    let items = aws_sdk_dynamodb::Client::new(&aws.sdk_config());
    create_table(&items).await;
    let before = syncs.load(Ordering::SeqCst);
    let busy = disk.lock().await;
    let mut writing = tokio::task::JoinSet::new();
    for n in 0..LARGE_WRITES {
        let mut item = key("n", &n.to_string());
        item.insert("text".to_owned(), AttributeValue::S("x".repeat(10_000)));
        let put = items.put_item().table_name(TABLE).set_item(Some(item));
        writing.spawn(async move { put.send().await.unwrap() });
    }
    let all_are_performed = async {
        let count = items.scan().table_name(TABLE).select(Select::Count);
        while count.clone().send().await.unwrap().count != LARGE_WRITES as i32 {}
    };
    let performed = tokio::time::timeout(PATIENCE, all_are_performed).await;
    assert!(performed.is_ok(), "a large write waits until another one is synced");
    drop(busy);
    writing.join_all().await;
    let syncs = syncs.load(Ordering::SeqCst) - before;
    assert!((2..=3).contains(&syncs), "the first write has a sync of its own, and the others share one: {syncs}");
}
