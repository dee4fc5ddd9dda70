//! `db4sci images`

use std::path::PathBuf;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::get::short;
use super::ui::documents;
use super::ui::table::Table;
use crate::model::DbName;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with the images.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// What the catalog offers and databases run, and what of it is on this host
    List,
    /// Write images as one archive, for a host that reaches no registry
    Save {
        /// The archive, a new file
        file: PathBuf,
        /// Only these, by their names in the catalog or their references; default: all of this host
        images: Vec<String>,
    },
    /// Take the images of an archive
    Load {
        /// The archive
        file: PathBuf,
    },
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let (host, globals) = (&context.host, &context.globals);
    match args.verb {
        Verb::List => list(context).await?,
        Verb::Save { file, images } => {
            let saved = host.save_images(globals, file, images).await;
            context.line(&saved.map_err(CliError::Said)?)?;
        }
        Verb::Load { file } => {
            let loaded = host.load_images(globals, file).await;
            for line in loaded.map_err(CliError::Said)? {
                context.line(&line)?;
            }
        }
    }
    Ok(Exit::OK)
}

async fn list(context: &Context) -> Result<(), CliError> {
    let images = context.host.images(&context.globals).await;
    let images = images.map_err(CliError::Said)?;
    match context.format {
        Format::Json => documents::json(context, &images)?,
        Format::Yaml => documents::yaml(context, &images)?,
        Format::Name => {
            for image in &images {
                context.line(&image.reference)?;
            }
        }
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["IMAGE", "REFERENCE", "ID", "USED BY"]);
            for image in &images {
                let display = match (&image.display, image.moved) {
                    (Some(display), _) => display.as_str(),
                    (None, true) => "(its tag has moved)",
                    (None, false) => "(offered no more)",
                };
                let id = match &image.id {
                    Some(id) => short(Some(id)),
                    None => "not here".to_owned(),
                };
                let used_by: Vec<&str> = image.used_by.iter().map(DbName::as_str).collect();
                table.row([
                    display.into(),
                    image.reference.as_str().into(),
                    id.into(),
                    used_by.join(", ").into(),
                ]);
            }
            context.print(&table.text(context.paint()))?;
        }
    }
    Ok(())
}
