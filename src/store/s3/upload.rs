//! An object on its way into a bucket.

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;

use super::S3Store;
use crate::store::{StoreError, Upload};

/// Bytes of one part, at least. All parts of an object have one size but the last, as some servers demand; ten
/// thousand of them are the protocol's limit, so that an object of parts of this size has at most 156 GiB.
const PART: usize = 16 << 20;
/// Bytes of one part, at most: an object has at most 5 TiB by the protocol, and what is on its way lies in memory.
const LARGEST: usize = 512 << 20;
const MOST_PARTS: i32 = 10_000;
/// Parts on their way at once. With the one that is being filled they are what an upload holds in
/// memory.
const AT_ONCE: usize = 2;

type SentPart = Result<CompletedPart, StoreError>;

/// An object on its way: in one request while it fits one part, in parts beyond that.
pub(super) struct Pending {
    store: S3Store,
    key: String,
    /// Bytes of a part.
    part: usize,
    buffer: BytesMut,
    upload: Option<String>,
    sent: i32,
    parts: Vec<CompletedPart>,
    under_way: JoinSet<SentPart>,
    bytes: u64,
}

impl Pending {
    /// Nothing is sent yet, of about so many bytes.
    pub(super) fn new(store: S3Store, key: String, about: u64) -> Self {
        Pending {
            store,
            key,
            part: part(about),
            buffer: BytesMut::new(),
            upload: None,
            sent: 0,
            parts: Vec::new(),
            under_way: JoinSet::new(),
            bytes: 0,
        }
    }

    /// Sends the next part; waits while too many are on their way.
    async fn send_part(&mut self, body: Bytes) -> Result<(), StoreError> {
        let id = match &self.upload {
            Some(id) => id.clone(),
            None => self.begin().await?,
        };
        while self.under_way.len() >= AT_ONCE {
            self.take_part().await?;
        }
        self.sent += 1;
        let number = self.sent;
        if number > MOST_PARTS {
            return Err(StoreError::Refused {
                place: self.store.place.clone(),
                what: format!("write {}", self.key),
                code: "TooLarge".to_owned(),
                why: format!("more than {MOST_PARTS} parts of {} MiB", self.part >> 20),
            });
        }
        let (store, key) = (self.store.clone(), self.key.clone());
        self.under_way.spawn(async move {
            let sent = store
                .client
                .upload_part()
                .bucket(&store.bucket)
                .key(&key)
                .upload_id(id)
                .part_number(number)
                .body(ByteStream::from(body))
                .send()
                .await
                .map_err(|e| store.error(format!("write part {number} of {key}"), &e))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag().map(str::to_owned))
                .build())
        });
        Ok(())
    }

    async fn begin(&mut self) -> Result<String, StoreError> {
        let what = format!("begin {}", self.key);
        let begun = self
            .store
            .client
            .create_multipart_upload()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .set_server_side_encryption(self.store.encrypt.clone())
            .send()
            .await
            .map_err(|e| self.store.error(what.clone(), &e))?;
        let id = begun.upload_id().ok_or_else(|| StoreError::Unreachable {
            place: self.store.place.clone(),
            what,
            why: "the answer has no upload id".to_owned(),
        })?;
        self.upload = Some(id.to_owned());
        Ok(id.to_owned())
    }

    async fn take_part(&mut self) -> Result<(), StoreError> {
        match self.under_way.join_next().await {
            Some(Ok(part)) => {
                self.parts.push(part?);
                Ok(())
            }
            Some(Err(join)) => Err(StoreError::Unreachable {
                place: self.store.place.clone(),
                what: format!("write {}", self.key),
                why: join.to_string(),
            }),
            None => Ok(()),
        }
    }

    async fn finish_parts(&mut self, id: &str) -> Result<(), StoreError> {
        while !self.under_way.is_empty() {
            self.take_part().await?;
        }
        self.parts.sort_by_key(CompletedPart::part_number);
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(std::mem::take(&mut self.parts)))
            .build();
        self.store
            .client
            .complete_multipart_upload()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .upload_id(id)
            .multipart_upload(parts)
            .send()
            .await
            .map(|_| ())
            .map_err(|e| self.store.error(format!("finish {}", self.key), &e))
    }
}

/// Bytes of a part of an object of about so many: twice as many fit, since a database grows between two backups.
fn part(about: u64) -> usize {
    const MIB: u64 = 1 << 20;
    let parts = u64::from(MOST_PARTS.unsigned_abs());
    let needed = about
        .saturating_mul(2)
        .div_ceil(parts)
        .next_multiple_of(MIB);
    usize::try_from(needed)
        .unwrap_or(LARGEST)
        .clamp(PART, LARGEST)
}

#[async_trait]
impl Upload for Pending {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.bytes += bytes.len() as u64;
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() >= self.part {
            let part = self.buffer.split_to(self.part).freeze();
            self.send_part(part).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, StoreError> {
        let rest = self.buffer.split().freeze();
        if self.upload.is_none() {
            let what = format!("write {}", self.key);
            self.store
                .client
                .put_object()
                .bucket(&self.store.bucket)
                .key(&self.key)
                .set_server_side_encryption(self.store.encrypt.clone())
                .body(ByteStream::from(rest))
                .send()
                .await
                .map_err(|e| self.store.error(what, &e))?;
            return Ok(self.bytes);
        }
        let done = async {
            if !rest.is_empty() {
                self.send_part(rest).await?;
            }
            let id = self.upload.clone().unwrap_or_default();
            self.finish_parts(&id).await
        };
        match done.await {
            Ok(()) => Ok(self.bytes),
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn abort(mut self: Box<Self>) {
        self.under_way.shutdown().await;
        if let Some(id) = self.upload.take()
            && let Err(error) = self.store.abort_upload(&self.key, &id).await
        {
            tracing::warn!(%error, "an upload could not be given up now; it is swept later");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_what_is_expected_fits_into_the_parts_that_an_object_may_have() {
        const GIB: u64 = 1 << 30;
        assert_eq!((part(0), part(70 * GIB)), (PART, PART));
        for about in [100, 156, 500, 2048] {
            let fits = part(about * GIB) as u64 * 10_000;
            assert!(fits >= 2 * about * GIB, "{about}");
        }
        assert_eq!((part(100 << 40), part(u64::MAX)), (LARGEST, LARGEST));
    }
}
