//! Sealing and opening one value, and proving what was written here. Pure but for the nonce.
//!
//! ChaCha20-Poly1305 with a random nonce before the ciphertext. What a value is for (database and
//! file name) is bound to it: put in another's place, it does not open.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use uuid::Uuid;

use super::VaultError;
use crate::model::{KeyId, Secret, Uid};

/// Bytes of a key.
pub(super) const KEY: usize = 32;

/// What a value is for.
pub(super) fn purpose(uid: Uid, name: &str) -> String {
    // Each look at each database opens all that it has.
    let mut digits = Uuid::encode_buffer();
    let uid = uid.0.hyphenated().encode_lower(&mut digits);
    ["db4sci secret 1\n", uid, "\n", name].concat()
}

pub(super) fn seal(key: &[u8; KEY], purpose: &str, text: &Secret) -> Result<String, VaultError> {
    let mut nonce = [0_u8; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|e| VaultError::NoRandom(e.to_string()))?;
    let mut sealed = text.expose().as_bytes().to_vec();
    cipher(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(purpose.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| VaultError::NoRandom("the cipher refused".to_owned()))?;
    let mut whole = nonce.to_vec();
    whole.append(&mut sealed);
    Ok(STANDARD.encode(whole))
}

/// The text; `None`: another key, another purpose, or a changed value.
pub(super) fn open(key: &[u8; KEY], purpose: &str, data: &str) -> Option<Secret> {
    let mut whole = STANDARD.decode(data).ok()?;
    let (nonce, sealed) = whole.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let text = cipher(key)
        .ok()?
        .open_in_place(nonce, Aad::from(purpose.as_bytes()), sealed)
        .ok()?;
    std::str::from_utf8(text).ok().map(Secret::new)
}

/// What a seal says of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Whoever had the key wrote them.
    Good,
    /// Somebody without the key wrote them, or changed them.
    Wrong,
    /// The key is not on this host.
    NoKey(KeyId),
}

/// The digits that only the key makes of bytes (HMAC-SHA-256).
pub(super) fn prove(key: &[u8; KEY], bytes: &[u8]) -> String {
    let tag = hmac::sign(&proving(key), bytes);
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether the key makes these digits of bytes.
pub(super) fn proves(key: &[u8; KEY], bytes: &[u8], digits: &str) -> bool {
    // Nothing secret is compared: whoever asks has the bytes and the digits, and no key.
    prove(key, bytes) == digits
}

/// A key of its own for proofs: one key never serves two purposes.
fn proving(key: &[u8; KEY]) -> hmac::Key {
    let root = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::Key::new(
        hmac::HMAC_SHA256,
        hmac::sign(&root, b"db4sci log 1").as_ref(),
    )
}

fn cipher(key: &[u8; KEY]) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&CHACHA20_POLY1305, key)
        .map(LessSafeKey::new)
        .map_err(|_| VaultError::NoRandom("the cipher refused the key".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_with_its_key_for_its_purpose_only() {
        let (key, other) = ([7; KEY], [8; KEY]);
        let text = Secret::new("correct horse");
        let (one, two) = (Uid(uuid::Uuid::new_v4()), Uid(uuid::Uuid::new_v4()));
        let sealed = seal(&key, &purpose(one, "user"), &text).unwrap();
        assert!(!sealed.contains("horse"));
        assert_eq!(
            open(&key, &purpose(one, "user"), &sealed),
            Some(text.clone())
        );
        assert_eq!(open(&other, &purpose(one, "user"), &sealed), None);
        assert_eq!(open(&key, &purpose(two, "user"), &sealed), None);
        assert_eq!(open(&key, &purpose(one, "admin"), &sealed), None);
        for broken in ["", "AAAA", "not base64", &sealed[..sealed.len() - 4]] {
            assert_eq!(open(&key, &purpose(one, "user"), broken), None);
        }
        // The same text twice shows no likeness.
        assert_ne!(sealed, seal(&key, &purpose(one, "user"), &text).unwrap());
    }
}
