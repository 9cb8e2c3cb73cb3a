//! Data in the files survives the process, even if it is killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use aws_sdk_dynamodb::Client;

use super::dynamodb::{TABLE, create_table, key};
use super::*;

/// The environment variable that names the directory for the process that is killed.
const DIRECTORY: &str = "RESTARTS_DIRECTORY";

fn open_aws(directory: impl Into<std::path::PathBuf>) -> EmbeddedAws {
    EmbeddedAws::open(&in_directory(directory), AUTHORITY, system_clock()).unwrap()
}

fn open(directory: impl Into<std::path::PathBuf>) -> Client {
    let aws = open_aws(directory);
    Client::new(&aws.sdk_config())
}

/// This is not a test. It runs in the process that is killed, and prints each number after its item is acknowledged.
#[tokio::test]
#[ignore = "run by a_killed_process_loses_no_acknowledged_write"]
#[expect(clippy::disallowed_methods, reason = "the process reads its directory from the environment")]
async fn write_until_killed() {
    let client = open(std::env::var(DIRECTORY).unwrap());
    create_table(&client).await;
    for n in 0.. {
        let put = client.put_item().table_name(TABLE).set_item(Some(key("n", &n.to_string())));
        put.send().await.unwrap();
        writeln!(std::io::stdout(), "{n}").unwrap();
    }
}

/// Runs one of these programs in a process, kills it while it writes, and returns the last number that it printed.
fn run_and_kill(test: &str, directory: &std::path::Path) -> u32 {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{test}"), "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = None;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let Ok(n) = line.unwrap().parse::<u32>() else { continue };
        acknowledged = Some(n);
        if n == 200 {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    let acknowledged = acknowledged.unwrap();
    assert!(acknowledged >= 200);
    acknowledged
}

#[tokio::test]
async fn a_killed_process_loses_no_acknowledged_write() {
    let directory = tempfile::tempdir().unwrap();
    let acknowledged = run_and_kill("write_until_killed", directory.path());
    let client = open(directory.path());
    for n in 0..=acknowledged {
        let item = client.get_item().table_name(TABLE).set_key(Some(key("n", &n.to_string()))).send().await.unwrap();
        assert!(item.item.is_some(), "{n} of {acknowledged}");
    }
}

#[tokio::test]
async fn the_directory_is_created_and_its_items_are_found_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("made/here");
    let client = open(&data);
    create_table(&client).await;
    client.put_item().table_name(TABLE).set_item(Some(key("a", "1"))).send().await.unwrap();
    drop(client);
    assert!(data.join("dynamodb.sqlite").is_file());
    let item = open(&data).get_item().table_name(TABLE).set_key(Some(key("a", "1"))).send().await.unwrap();
    assert!(item.item.is_some());
}

#[test]
fn a_directory_that_cannot_be_created_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = EmbeddedAws::open(&in_directory(file.join("data")), AUTHORITY, system_clock()).unwrap_err();
    assert!(error.to_string().contains("data directory"), "{error}");
}

/// This is not a test. It runs in the process that is killed, and prints each number after its message is acknowledged.
#[tokio::test]
#[ignore = "run by a_killed_process_loses_no_acknowledged_message"]
#[expect(clippy::disallowed_methods, reason = "the process reads its directory from the environment")]
async fn send_until_killed() {
    let queue = TestQueue::new(&open_aws(std::env::var(DIRECTORY).unwrap()), &[]).await;
    for n in 0.. {
        queue.send(&n.to_string()).await;
        writeln!(std::io::stdout(), "{n}").unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_loses_no_acknowledged_message() {
    let directory = tempfile::tempdir().unwrap();
    let acknowledged = run_and_kill("send_until_killed", directory.path());
    let queue = TestQueue::new(&open_aws(directory.path()), &[]).await;
    let [there, ..] = queue.counts().await;
    // The process can have sent one more message before its output was read.
    assert!((acknowledged + 1..=acknowledged + 2).contains(&there), "{there} of {}", acknowledged + 1);
}
