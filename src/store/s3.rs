//! A bucket of Amazon S3, or of anything that speaks its protocol.
//!
//! Path style and no checksums beyond what the protocol requires, since many servers know neither
//! virtual hosts nor the newer checksum headers. Every object is read back after it was written
//! (see `execute::backup`), which no checksum header replaces.

mod expiry;
mod upload;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_http_client::tls;
use chrono::DateTime;
use futures_util::StreamExt;

use self::upload::Pending;
use super::{BackupStore, Bytestream, Object, StoreError, Upload, check_key};
use crate::model::{Secret, Timestamp};

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// Until the first byte of an answer.
const FIRST_BYTE: Duration = Duration::from_secs(60);
/// For one attempt at a request, a part's upload over a slow line included.
const ATTEMPT: Duration = Duration::from_secs(300);
/// Between two pieces of an object that is read.
const PIECE: Duration = Duration::from_secs(60);
/// Attempts at a request: the SDK waits between them.
const ATTEMPTS: u32 = 4;

/// Where a bucket is, and who we are there.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// What all keys begin with: empty, or ending in `/`.
    pub prefix: String,
    /// The server; `None`: Amazon's of the region.
    pub endpoint: Option<String>,
    /// The region; servers of one's own take any.
    pub region: String,
    /// The access key's id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Secret,
    /// Whether the server is asked to encrypt (SSE-S3).
    pub server_side_encryption: bool,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Settings({} {:?})", self.bucket, self.endpoint)
    }
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    prefix: String,
    place: String,
    encrypt: Option<ServerSideEncryption>,
}

impl S3Store {
    /// The store in a bucket. Nothing is sent yet.
    pub fn new(settings: &S3Settings) -> Self {
        let credentials = Credentials::new(
            &settings.access_key,
            settings.secret_key.expose(),
            None,
            None,
            "credentials file",
        );
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_https();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT)
                    .read_timeout(FIRST_BYTE)
                    .operation_attempt_timeout(ATTEMPT)
                    .build(),
            );
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let at = settings.endpoint.as_deref().unwrap_or("Amazon");
        S3Store {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket.clone(),
            prefix: settings.prefix.clone(),
            place: format!("s3://{}/{} at {at}", settings.bucket, settings.prefix),
            encrypt: settings
                .server_side_encryption
                .then_some(ServerSideEncryption::Aes256),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// What the SDK says, as ours. `code` comes from the server; its words hold no secret, since
    /// none is ever sent.
    fn error<E>(&self, what: String, error: &SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let place = self.place.clone();
        let status = error.raw_response().map(|r| r.status().as_u16());
        let code = error.code().map(str::to_owned);
        let words = error.message().map(str::to_owned);
        let later = matches!(
            code.as_deref(),
            Some("SlowDown" | "RequestTimeout" | "InternalError" | "ServiceUnavailable")
        ) || status.is_none_or(|s| s >= 500 || s == 429 || s == 408);
        if later {
            let why = match (&code, status) {
                (Some(code), _) => format!("{code}: {}", words.unwrap_or_default()),
                (None, Some(status)) => format!("HTTP status {status}"),
                (None, None) => DisplayErrorContext(error).to_string(),
            };
            return StoreError::Unreachable { place, what, why };
        }
        let code = code.unwrap_or_else(|| format!("HTTP {}", status.unwrap_or_default()));
        if matches!(
            code.as_str(),
            "XMinioStorageFull" | "InsufficientStorage" | "QuotaExceeded"
        ) {
            return StoreError::Full { place, what };
        }
        let hint = match code.as_str() {
            "NoSuchBucket" => "; make the bucket, or set the right one in the settings",
            "SignatureDoesNotMatch" | "InvalidAccessKeyId" => {
                "; check the credentials file of this store"
            }
            "AccessDenied" => "; the key may not do this: it needs to list, read, write and delete",
            "RequestTimeTooSkewed" => "; this host's clock is wrong",
            _ => "",
        };
        StoreError::Refused {
            place,
            what,
            code,
            why: format!("{}{hint}", words.unwrap_or_default()),
        }
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), StoreError> {
        let aborted = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(id)
            .send()
            .await;
        match aborted {
            Ok(_) => Ok(()),
            Err(e) if e.code() == Some("NoSuchUpload") => Ok(()),
            Err(e) => Err(self.error(format!("give up the upload of {key}"), &e)),
        }
    }
}

#[async_trait]
impl BackupStore for S3Store {
    fn place(&self) -> String {
        self.place.clone()
    }

    async fn put(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        self.put_about(key, 0).await
    }

    async fn put_about(&self, key: &str, bytes: u64) -> Result<Box<dyn Upload>, StoreError> {
        check_key(&self.place, key)?;
        Ok(Box::new(Pending::new(self.clone(), self.key(key), bytes)))
    }

    async fn get(&self, key: &str) -> Result<Bytestream, StoreError> {
        let what = format!("read {key}");
        let asked = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.key(key))
            .send()
            .await;
        let object = asked.map_err(|e| match e.code() {
            Some("NoSuchKey") => StoreError::Missing {
                place: self.place.clone(),
                key: key.to_owned(),
            },
            _ => self.error(what.clone(), &e),
        })?;
        let size = object.content_length().and_then(|n| u64::try_from(n).ok());
        let place = self.place.clone();
        let state = (object.body, 0_u64, false);
        let pieces = futures_util::stream::unfold(state, move |(mut body, had, over)| {
            let (place, what) = (place.clone(), what.clone());
            async move {
                if over {
                    return None;
                }
                let broken = |why: String| StoreError::Unreachable { place, what, why };
                match tokio::time::timeout(PIECE, body.next()).await {
                    Ok(Some(Ok(piece))) => {
                        let had = had + piece.len() as u64;
                        Some((Ok(piece), (body, had, false)))
                    }
                    Ok(Some(Err(e))) => Some((Err(broken(e.to_string())), (body, had, true))),
                    Ok(None) => match size {
                        Some(size) if size != had => {
                            let why = format!("it broke off after {had} of {size} bytes");
                            Some((Err(broken(why)), (body, had, true)))
                        }
                        Some(_) | None => None,
                    },
                    Err(_) => {
                        let why = format!("nothing came for {} s", PIECE.as_secs());
                        Some((Err(broken(why)), (body, had, true)))
                    }
                }
            }
        });
        Ok(pieces.boxed())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(self.key(prefix))
                .set_continuation_token(next.take())
                .send()
                .await
                .map_err(|e| self.error("list".to_owned(), &e))?;
            for object in page.contents() {
                let key = object.key().and_then(|k| k.strip_prefix(&self.prefix));
                if let Some(key) = key {
                    found.push(Object {
                        key: key.to_owned(),
                        bytes: object
                            .size()
                            .and_then(|n| u64::try_from(n).ok())
                            .unwrap_or(0),
                        modified: object.last_modified().and_then(instant),
                    });
                }
            }
            match (page.is_truncated(), page.next_continuation_token()) {
                (Some(true), Some(token)) => next = Some(token.to_owned()),
                // What is not known to be all must not pass for it.
                (Some(true), None) => {
                    return Err(StoreError::Unreachable {
                        place: self.place.clone(),
                        what: "list".to_owned(),
                        why: "the list was cut off, and nothing says where it goes on".to_owned(),
                    });
                }
                (Some(false) | None, _) => break,
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let removed = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(self.key(key))
            .send()
            .await;
        match removed {
            Ok(_) => Ok(()),
            Err(e) if e.code() == Some("NoSuchKey") => Ok(()),
            Err(e) => Err(self.error(format!("remove {key}"), &e)),
        }
    }

    async fn sweep(&self, prefix: &str, before: Timestamp) -> Result<u32, StoreError> {
        let mut swept = 0;
        let (mut key_marker, mut id_marker): (Option<String>, Option<String>) = (None, None);
        loop {
            let page = self
                .client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(self.key(prefix))
                .set_key_marker(key_marker.take())
                .set_upload_id_marker(id_marker.take())
                .send()
                .await
                .map_err(|e| self.error("list unfinished uploads".to_owned(), &e))?;
            for upload in page.uploads() {
                let begun = upload.initiated().and_then(instant);
                if let (Some(key), Some(id), Some(begun)) =
                    (upload.key(), upload.upload_id(), begun)
                    && begun < before
                {
                    self.abort_upload(key, id).await?;
                    swept += 1;
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(swept);
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            id_marker = page.next_upload_id_marker().map(str::to_owned);
        }
    }

    async fn expires(&self, prefix: &str) -> Result<Option<u32>, StoreError> {
        let asked = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(&self.bucket)
            .send()
            .await;
        match asked {
            Ok(answer) => Ok(expiry::shortest(answer.rules(), &self.key(prefix))),
            // There are no rules, or the server knows none.
            Err(e)
                if matches!(
                    e.code(),
                    Some("NoSuchLifecycleConfiguration" | "NotImplemented")
                ) =>
            {
                Ok(None)
            }
            Err(e) => Err(self.error("ask for lifecycle rules".to_owned(), &e)),
        }
    }
}

fn instant(at: &aws_sdk_s3::primitives::DateTime) -> Option<Timestamp> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}
