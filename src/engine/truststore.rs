//! A certificate as Java reads it: in the JDK's own key store format ("JKS"), since no Java in an
//! engine's image takes PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a store begins with, and the version of its format.
const MAGIC: [u8; 8] = [0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2];
/// An entry that is a trusted certificate.
const TRUSTED: u32 = 2;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A store that trusts the certificates of a PEM text. Whoever opens it gives no password: then Java
/// asks for no check sum after the entries, and there is none. `None`: there is no certificate.
pub fn of(pem: &str) -> Option<Vec<u8>> {
    let certificates = certificates(pem)?;
    let mut store = MAGIC.to_vec();
    store.extend(length(certificates.len())?);
    for (number, certificate) in certificates.iter().enumerate() {
        store.extend(TRUSTED.to_be_bytes());
        text(&mut store, &format!("authority-{number}"));
        // Milliseconds of its making, which nothing depends on.
        store.extend(0_u64.to_be_bytes());
        text(&mut store, "X.509");
        store.extend(length(certificate.len())?);
        store.extend(certificate);
    }
    Some(store)
}

fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for part in pem.split(BEGIN).skip(1) {
        let (body, _) = part.split_once(END)?;
        let body: String = body.split_whitespace().collect();
        all.push(STANDARD.decode(body).ok()?);
    }
    (!all.is_empty()).then_some(all)
}

fn length(bytes: usize) -> Option<[u8; 4]> {
    u32::try_from(bytes).ok().map(u32::to_be_bytes)
}

/// A short ASCII text after its length.
fn text(store: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    store.extend(length.to_be_bytes());
    store.extend(&text.as_bytes()[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_certificate_is_an_entry_with_its_length() {
        let one = format!("words\n{BEGIN}\nAAEC\nAwQ=\n{END}\n");
        let store = of(&one).unwrap();
        let entry =
            b"\0\0\0\x02\0\x0bauthority-0\0\0\0\0\0\0\0\0\0\x05X.509\0\0\0\x05\0\x01\x02\x03\x04";
        assert_eq!(store[..8], MAGIC);
        assert_eq!(store[8..12], [0, 0, 0, 1]);
        assert_eq!(store[12..], *entry);
        let two = of(&format!("{one}{one}")).unwrap();
        assert_eq!(two[8..12], [0, 0, 0, 2]);
        assert_eq!(two.len(), 12 + 2 * entry.len());
    }

    #[test]
    fn what_is_no_certificate_makes_no_store() {
        let end = format!("{BEGIN}\nAAEC\n");
        let not = format!("{BEGIN}\n*\n{END}\n");
        for bad in ["", "words", &end, &not] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
