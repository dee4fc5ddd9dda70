//! The folders that go with a database's name.

/// The folders that are named by their database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedFolder {
    /// Its data.
    Data,
    /// Its marker.
    Marker,
    /// Its secret files, its certificate among them.
    Secrets,
    /// Its rendered configuration.
    Config,
    /// What was moved aside of its data.
    Aside,
    /// Evidence of its quarantines.
    Evidence,
}

impl NamedFolder {
    /// All, in the order in which they are moved.
    pub const ALL: [NamedFolder; 6] = [
        NamedFolder::Data,
        NamedFolder::Marker,
        NamedFolder::Secrets,
        NamedFolder::Config,
        NamedFolder::Aside,
        NamedFolder::Evidence,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            NamedFolder::Data => "data",
            NamedFolder::Marker => "marker",
            NamedFolder::Secrets => "secrets",
            NamedFolder::Config => "config",
            NamedFolder::Aside => "aside",
            NamedFolder::Evidence => "evidence",
        }
    }
}
