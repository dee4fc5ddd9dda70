//! Who can read backups: age, to every recipient at once.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::x25519;
use sha2::{Digest, Sha256};

use crate::model::Secret;

/// A public key that backups are encrypted to: `age1…`.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

impl FromStr for Recipient {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Recipient).map_err(|why| {
            format!(
                "`{}` is no age recipient ({why}); write the public key, which begins with `age1` \
                 (age-keygen shows it)",
                // A private key that was pasted by mistake must not come back in a message.
                if s.to_ascii_uppercase().contains("SECRET") {
                    "***"
                } else {
                    s
                }
                .escape_debug()
            )
        })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Recipient {}

impl Recipient {
    /// A short id of the key, for manifests.
    pub fn key_id(&self) -> String {
        let digest = Sha256::digest(self.to_string().as_bytes());
        digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
    }
}

/// The instance's own key pair.
#[derive(Clone)]
pub struct Identity(x25519::Identity);

impl Identity {
    /// A new one.
    pub fn generate() -> Self {
        Identity(x25519::Identity::generate())
    }

    /// Reads the file that [`Identity::to_file`] or `age-keygen` wrote.
    ///
    /// # Errors
    /// That it is none; the text is not repeated.
    pub fn from_file(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim);
        let mut keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = keys.next().ok_or("there is no key in it")?;
        key.parse()
            .map(Identity)
            .map_err(|why| format!("it holds no age identity: {why}"))
    }

    /// The text of a key file that `age -d -i` takes.
    pub fn to_file(&self) -> Secret {
        Secret::new(format!(
            "# public key: {}\n{}\n",
            self.recipient(),
            self.0.to_string().expose_secret()
        ))
    }

    /// Its public key.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.recipient())
    }
}

/// Encrypts what is written to it. The end must be said: [`Sealed::finish`].
pub struct Sealed<W: Write>(age::stream::StreamWriter<W>);

/// Encrypts to all recipients.
///
/// # Errors
/// Without a recipient, or as the writer fails.
pub fn seal<W: Write>(recipients: &[Recipient], to: W) -> io::Result<Sealed<W>> {
    let all = recipients.iter().map(|r| &r.0 as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(all).map_err(io::Error::other)?;
    encryptor.wrap_output(to).map(Sealed)
}

impl<W: Write> Sealed<W> {
    /// Writes the end, without which nobody takes the text for whole.
    ///
    /// # Errors
    /// As the writer fails.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Decrypts with any of these keys.
///
/// # Errors
/// When none of them fits, or it is not age's.
pub fn open<R: BufRead>(identities: &[Identity], from: R) -> io::Result<impl Read + use<R>> {
    let all = identities.iter().map(|i| &i.0 as &dyn age::Identity);
    let decryptor = age::Decryptor::new_buffered(from).map_err(io::Error::other)?;
    decryptor.decrypt(all).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipient_reads_it_and_nobody_else() {
        let (ours, institute, stranger) = (
            Identity::generate(),
            Identity::generate(),
            Identity::generate(),
        );
        let to = [ours.recipient(), institute.recipient()];
        let mut sealed = seal(&to, Vec::new()).unwrap();
        sealed.write_all(b"genes").unwrap();
        let bytes = sealed.finish().unwrap();
        for reader in [&ours, &institute] {
            let mut text = String::new();
            open(std::slice::from_ref(reader), bytes.as_slice())
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, "genes");
        }
        assert!(open(&[stranger], bytes.as_slice()).is_err());
        assert!(seal(&[], Vec::new()).is_err());
    }

    #[test]
    fn a_key_file_reads_as_it_was_written_and_shows_nothing() {
        let key = Identity::generate();
        let again = Identity::from_file(key.to_file().expose()).unwrap();
        assert_eq!(key.recipient(), again.recipient());
        assert!(!format!("{key:?}").contains("SECRET"));
        let pasted = key.to_file().expose().lines().last().unwrap().to_owned();
        let error = pasted.parse::<Recipient>().unwrap_err();
        assert!(!error.contains("AGE-SECRET"), "{error}");
    }
}
