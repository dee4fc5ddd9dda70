//! Many containers.

use std::time::Instant;

use db4sci::runtime::Runtime;

use super::engine;

/// Prints how long it takes; what is fast enough depends on the host.
#[tokio::test]
async fn a_thousand_containers_are_listed_and_looked_at() {
    let (engine, docker) = engine();
    for n in 0..1000 {
        engine.put(&format!("genomics-{n}"), "running");
    }
    let begun = Instant::now();
    let all = docker.list().await.unwrap();
    let listed = begun.elapsed();
    assert_eq!(all.len(), 1000);
    for row in &all[..100] {
        docker.inspect(row.id.as_str()).await.unwrap().unwrap();
    }
    let inspected = (begun.elapsed() - listed) / 100;
    println!("1000 containers: the list took {listed:?}, one inspect {inspected:?}");
}
