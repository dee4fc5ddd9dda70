//! The `db4sci` program.

#[tokio::main]
async fn main() {
    if let Err(e) = db4sci::app::run().await {
        eprintln!("{e}");
        std::process::exit(1);
    }
}
