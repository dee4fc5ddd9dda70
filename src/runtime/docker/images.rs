//! Images as an archive, for hosts that reach no registry.

use std::path::Path;

use bollard::query_parameters::ImportImageOptions;
use futures_util::TryStreamExt;
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::client::{Docker, PULL, within};
use super::error::failed;
use crate::runtime::RuntimeError;

impl Docker {
    /// Writes images (references or ids) as one archive that [`Docker::load_images`] reads; layers
    /// that they share are in it once. Gives its bytes.
    ///
    /// # Errors
    /// The engine's, an unknown image among them; [`RuntimeError::Refused`] when `out` takes no
    /// more. What was written until then is no archive.
    pub async fn save_images(
        &self,
        images: &[&str],
        out: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, RuntimeError> {
        let client = self.client().await?;
        let what = "save images";
        within(PULL, what, async {
            let mut written = 0;
            let mut parts = std::pin::pin!(client.export_images(images));
            while let Some(part) = parts.try_next().await.map_err(|e| failed(what, e))? {
                let stored = out.write_all(&part).await;
                stored.map_err(|e| RuntimeError::Refused(format!("{what}: {e}")))?;
                written += part.len() as u64;
            }
            Ok(written)
        })
        .await
    }

    /// Takes the images of an archive; gives their references, or ids where they have none.
    ///
    /// # Errors
    /// The engine's; [`RuntimeError::Refused`] when the file cannot be read or holds no image.
    pub async fn load_images(&self, archive: &Path) -> Result<Vec<String>, RuntimeError> {
        let what = format!("load {}", archive.display());
        let file = File::open(archive).await;
        let file = file.map_err(|e| RuntimeError::Refused(format!("{what}: {e}")))?;
        let client = self.client().await?;
        let options = ImportImageOptions::default();
        let loaded = within(PULL, &what, async {
            client
                .import_image_stream(options, ReaderStream::new(file), None)
                .map_err(|e| failed(&what, e))
                .try_fold(Vec::new(), |mut all, said| async move {
                    all.extend(said.stream.as_deref().and_then(loaded));
                    Ok(all)
                })
                .await
        })
        .await?;
        if loaded.is_empty() {
            return Err(RuntimeError::Refused(format!("{what}: no image is in it")));
        }
        Ok(loaded)
    }
}

/// The image in a line of the engine's progress (moby's `image/tarexport/load.go`).
fn loaded(line: &str) -> Option<String> {
    let line = line.trim();
    let image = line.strip_prefix("Loaded image: ");
    let image = image.or_else(|| line.strip_prefix("Loaded image ID: "))?;
    Some(image.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_loaded_is_told_from_progress() {
        assert_eq!(
            loaded("Loaded image: postgres:17\n"),
            Some("postgres:17".to_owned())
        );
        assert_eq!(
            loaded("Loaded image ID: sha256:0a\n"),
            Some("sha256:0a".to_owned())
        );
        assert_eq!(loaded("Loading layer"), None);
    }
}
