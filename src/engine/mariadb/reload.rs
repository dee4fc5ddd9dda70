//! Variables of a running server: which can be set, and by which words.

use std::collections::BTreeSet;

use super::kept::KEPT;
use super::{PARAMETERS, conf, encryption, identifier, literal, statement};
use crate::model::action::Settings;
use crate::model::database::{TLS, Tls};
use crate::model::server::Statement;

/// Variables that a server starts with another value than `DEFAULT` sets: from the host, from
/// others, from the image's own files. Read from servers of 10.11 and 11.8.
const STARTED_OTHERWISE: [&str; 13] = [
    "character_set_collations",
    "general_log_file",
    "host_cache_size",
    "innodb_adaptive_hash_index_cells",
    "innodb_buffer_pool_size_auto_min",
    "innodb_io_capacity_max",
    "innodb_lru_flush_size",
    "log_slow_query_file",
    "slow_query_log_file",
    "sql_big_selects",
    "table_definition_cache",
    "thread_cache_size",
    "thread_pool_size",
];

/// Variables that servers call dynamic, and whose change under a running one may end half done: 10.6 refuses
/// another size of the log, newer servers let the pool grow only as far as they were started for, and
/// a pool of many gigabytes is resized for longer than a statement may take.
const AT_START: [&str; 2] = ["innodb_buffer_pool_size", "innodb_log_file_size"];

/// Whether a variable can be set to this value, `None` being what a server starts with. What
/// db4sci sets by itself is not touched: its own file has the last word.
pub(super) fn possible(name: &str, value: Option<&str>) -> bool {
    let own = KEPT.contains(&name) || encryption::KEPT.contains(&name);
    let known = value.is_some() || !STARTED_OTHERWISE.contains(&name);
    PARAMETERS.reloads(name) && known && !own && !AT_START.contains(&name)
}

/// Sets each variable that changes to what the files say by now.
pub(super) fn statements(settings: &Settings) -> Vec<Statement> {
    let text = settings.config_after().map_or("", String::as_str);
    let file = conf::settings(text);
    let beside = |name: &str| {
        let mut all = settings.all.iter();
        all.find(|(n, _)| n.replace('-', "_") == name)
            .map(|(_, value)| value)
    };
    let by_file = settings.new_config.iter().flat_map(|new| &new.changed);
    let names: BTreeSet<String> = settings
        .changed
        .keys()
        .chain(by_file)
        .map(|name| name.replace('-', "_"))
        .collect();
    let each = names.iter().map(|name| {
        if name == TLS {
            let demanded = beside(TLS).map(String::as_str) == Some(Tls::Required.as_str());
            return statement(
                "demand TLS, or not",
                format!(
                    "SET GLOBAL require_secure_transport = {}",
                    u8::from(demanded)
                ),
            );
        }
        let value = file.get(name).or_else(|| beside(name));
        let value = value.map_or("DEFAULT".to_owned(), |value| global(name, value));
        statement(
            "set a variable",
            format!("SET GLOBAL {} = {value}", identifier(name)),
        )
    });
    each.collect()
}

/// A value as SET GLOBAL takes it. A file may say `64M`, `true` and a word's number; a statement
/// takes the first not at all, and the others without quotes only.
pub(super) fn global(name: &str, value: &str) -> String {
    let bare = |value: &str| value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty();
    match PARAMETERS.kind(name) {
        Some("number") => number(value),
        Some("truth") => match value.to_ascii_lowercase().as_str() {
            "1" | "on" | "true" => "ON".to_owned(),
            "0" | "off" | "false" => "OFF".to_owned(),
            _ => literal(value),
        },
        Some("word") if bare(value) => value.to_owned(),
        Some(_) | None => literal(value),
    }
}

fn number(value: &str) -> String {
    let factor = match value.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some('T') => 1_u64 << 40,
        Some(_) | None => 1,
    };
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    match digits.parse::<u64>() {
        Ok(n) => n.saturating_mul(factor).to_string(),
        Err(_) => digits
            .parse::<f64>()
            .map_or_else(|_| literal(value), |n| n.to_string()),
    }
}
