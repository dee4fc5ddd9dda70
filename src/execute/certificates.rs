//! The steps on certificates: issued, written among the secrets, since their keys are such.

use crate::admin::AuthorityError;
use crate::engine::{self, AUTHORITY, CERTIFICATE, CERTIFICATE_AND_KEY, CERTIFICATE_KEY};
use crate::model::{CertificateSeen, Database, Secret, SecretText};

use super::{Executor, StepError};

/// Sees to it that a server which is about to start finds a certificate, and gives its mark. One
/// that is too old is better than no server.
pub(super) async fn ensure(exec: &Executor, db: &Database) -> Result<Option<String>, StepError> {
    if db.tls.is_none() {
        return Ok(None);
    }
    let present = present(exec, db).await?;
    let names = engine::certificate_names(db, &exec.site);
    let good = |seen: &CertificateSeen| seen.outdated(&names, exec.clock.now()).is_none();
    match present {
        Some(seen) if good(&seen) => Ok(Some(seen.mark)),
        None => issue(exec, db).await.map(Some),
        Some(seen) => match issue(exec, db).await {
            Ok(mark) => Ok(Some(mark)),
            Err(StepError::Authority(error)) => {
                tracing::warn!(name = %db.name, %error, "it goes on with its old certificate");
                Ok(Some(seen.mark))
            }
            Err(other) => Err(other),
        },
    }
}

/// The mark of the certificate that lies among its files.
pub(super) async fn mark(exec: &Executor, db: &Database) -> Result<String, StepError> {
    let present = present(exec, db).await?;
    let gone = || StepError::Moved("its certificate went away meanwhile".to_owned());
    present.map(|seen| seen.mark).ok_or_else(gone)
}

/// Issues another one, and writes its files.
pub(super) async fn issue(exec: &Executor, db: &Database) -> Result<String, StepError> {
    let names = engine::certificate_names(db, &exec.site);
    let now = exec.clock.now();
    let issued = exec.authority.issue(db.name.as_str(), &names, now)?;
    let seen = exec.authority.look(&issued.chain);
    let seen = seen.ok_or_else(|| AuthorityError::NotMade("it cannot be read".to_owned()))?;
    let file = |name: &str, text: String| SecretText {
        name: name.to_owned(),
        text: Secret::new(text),
    };
    let key = issued.key.expose();
    let both = format!("{}\n{key}", issued.chain.trim_end());
    let files = [
        file(AUTHORITY, exec.authority.certificate()?),
        file(CERTIFICATE_KEY, key.to_owned()),
        file(CERTIFICATE, issued.chain.clone()),
        // Last: this is the one that is looked at.
        file(CERTIFICATE_AND_KEY, both),
    ];
    exec.dirs.write_secrets(&exec.site, db, &files).await?;
    Ok(seen.mark)
}

async fn present(exec: &Executor, db: &Database) -> Result<Option<CertificateSeen>, StepError> {
    let file = exec
        .dirs
        .secret_file(&exec.site, db, CERTIFICATE_AND_KEY)
        .await?;
    Ok(file.and_then(|text| exec.authority.look(text.expose())))
}
