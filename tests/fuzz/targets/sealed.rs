//! What lies encrypted in a store: pieces of the ledger, and the files of a backup.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::{Arc, LazyLock};

use db4sci::execute::backup::{fetch_ledger, fetch_segment};
use db4sci::store::BackupStore;
use db4sci::store::manifest::{self, Manifest};
use db4sci::store::memory::MemoryStore;
use db4sci::store::seal::{self, Identity};
use sha2::{Digest, Sha256};

use super::{Check, Fate, Target, must};

pub const TARGET: Target = Target {
    name: "sealed",
    words: &[
        "age-encryption.org/v1\n",
        "-> X25519 ",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 30\n",
        "-> ",
        "--- ",
        "\n",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "-----BEGIN AGE ENCRYPTED FILE-----\n",
        "\u{28}\u{b5}\u{2f}",
        "\0",
    ],
    cases: 500,
    made: || Vec::from(STORED.clone().map(|(_, stored)| stored)),
    repair: super::as_it_is,
    start,
};

/// A key of these tests alone; what lies in the corpus is encrypted to it.
static KEY: LazyLock<Identity> = LazyLock::new(|| {
    let text = concat!("AGE-SECRET-KEY-", include_str!("sealed/key.txt"));
    Identity::from_file(text).unwrap()
});

/// Texts, and what lies in the store of each.
static STORED: LazyLock<[(Vec<u8>, Vec<u8>); 3]> = LazyLock::new(|| {
    let noise: Vec<u8> = (0..3000_u32)
        .flat_map(|n| Sha256::digest(n.to_be_bytes()))
        .collect();
    [Vec::new(), b"{\"hash\":\"\"}\n".to_vec(), noise].map(|text| {
        let stored = stored(&text);
        (text, stored)
    })
});

fn stored(text: &[u8]) -> Vec<u8> {
    let sealed = seal::seal(&[KEY.recipient()], Vec::new()).unwrap();
    let mut encoder = zstd::Encoder::new(sealed, 3).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap().finish().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The manifest of a backup of which this is the ledger's file.
fn manifest((text, stored): &(Vec<u8>, Vec<u8>)) -> Manifest {
    let file = manifest::File {
        name: "ledger.jsonl.zst.age".to_owned(),
        part: None,
        database: None,
        bytes: stored.len() as u64,
        sha256: hex(stored),
        plain_bytes: text.len() as u64,
        plain_sha256: hex(text),
        took_ms: None,
    };
    let example = include_bytes!("../corpus/manifest/a-backup");
    Manifest {
        files: vec![file],
        ..Manifest::read(example).unwrap()
    }
}

fn start() -> Check {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let manifests = STORED.each_ref().map(manifest);
    Box::new(move |bytes| runtime.block_on(check(bytes, &manifests)))
}

/// Only what was sealed comes out, and a whole backup only where its manifest says so.
async fn check(bytes: &[u8], manifests: &[Manifest]) -> Result<Fate, String> {
    let memory = MemoryStore::default();
    memory.damage("x/ledger.jsonl.zst.age", bytes.to_vec());
    let store: Arc<dyn BackupStore> = Arc::new(memory);
    let mut fate = Fate::Refused;
    match fetch_segment(&store, "x/ledger.jsonl.zst.age", vec![KEY.clone()]).await {
        Ok(text) => {
            must(STORED.iter().any(|(sealed, _)| *sealed == text), || {
                format!("{} bytes come out that nobody sealed", text.len())
            })?;
            fate = Fate::Taken;
        }
        Err(error) => must(error.is_damage(), || format!("no damage: {error}"))?,
    }
    for (manifest, (text, stored)) in manifests.iter().zip(STORED.iter()) {
        let mut file = tempfile::tempfile().map_err(|e| e.to_string())?;
        let to: File = file.try_clone().map_err(|e| e.to_string())?;
        let fetched = fetch_ledger(&store, "x/", manifest, vec![KEY.clone()], to).await;
        must(fetched.is_ok() == (stored == bytes), || {
            format!("{} bytes: {fetched:?}", bytes.len())
        })?;
        if fetched.is_ok() {
            let mut out = Vec::new();
            file.rewind().map_err(|e| e.to_string())?;
            file.read_to_end(&mut out).map_err(|e| e.to_string())?;
            must(out == *text, || "another text came out".to_owned())?;
        }
    }
    Ok(fate)
}
